import type { RequestHandler } from 'express'
import { getTenant } from 'tenant-files'
import type { DataSource, EntityTarget } from 'typeorm'
import { BlogPicture } from './entities/blog-picture.js'
import { ClassBundle } from './entities/class-bundle.js'
import { OrderFile } from './entities/order-file.js'
import { USER_NAMES } from './users.js'

const FORMS: readonly [string, string, EntityTarget<OrderFile>][] = [
  ['order-files', 'Order files (pdf, pictures)', OrderFile],
  ['class-bundles', 'Class bundles (zip, pdf)', ClassBundle],
  ['blog-pictures', 'Blog pictures (public)', BlogPicture],
]

/** Signs a stand-in user in, by a cookie: `/?as=anna`. */
export function signInPage(stylesheet: string): RequestHandler {
  return (req, res) => {
    const user = USER_NAMES.find(name => name === req.query.as)
    if (user !== undefined) res.cookie('user', user, { httpOnly: true, sameSite: 'lax' })
    const links = USER_NAMES.map(name => `<li><a href="/?as=${name}">sign in as ${name}</a></li>`)
    const hint =
      user === undefined
        ? ''
        : `<p>You are ${user}. Open <a href="/acme">acme</a> (Anna's) or <a href="/globex">globex</a> (Bela's).</p>`
    res.send(html('Order desk', stylesheet, `<ul>${links.join('')}</ul>${hint}`))
  }
}

/** One tenant's files, with a form for each kind. */
export function deskPage(dataSource: DataSource, stylesheet: string): RequestHandler {
  return async (_req, res) => {
    const tenant = getTenant()
    const sections = await Promise.all(
      FORMS.map(async ([path, title, entity]) => {
        const rows = await dataSource.getRepository(entity).find({ where: { tenant }, order: { id: 'ASC' } })
        return section(`/${tenant}/${path}`, title, rows)
      }),
    )
    res.send(html(`Order desk of ${tenant}`, stylesheet, sections.join('')))
  }
}

function section(action: string, title: string, rows: OrderFile[]): string {
  const items = rows.flatMap(({ file }) =>
    file
      ? [
          `<li><a href="${escapeHtml(file.url)}">${escapeHtml(file.name)}</a> ${file.size} bytes, ${escapeHtml(file.type)}</li>`,
        ]
      : [],
  )
  const form = `<form method="post" action="${action}" enctype="multipart/form-data"><input type="file" name="file" required><button>Upload</button></form>`
  return `<h2>${title}</h2><ul>${items.join('') || '<li>none yet</li>'}</ul>${form}`
}

function html(title: string, stylesheet: string, body: string): string {
  return `<!doctype html><html lang="en"><meta charset="utf-8"><title>${title}</title><link rel="stylesheet" href="${escapeHtml(stylesheet)}"><h1>${title}</h1>${body}</html>`
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, character => `&#${character.charCodeAt(0)};`)
}
