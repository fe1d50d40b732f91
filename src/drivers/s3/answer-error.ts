import type { HttpAnswer } from './http/answer.js'
import { decodeText } from './multipart-xml.js'
import { LOGGABLE } from './s3-errors.js'

/**
 * An answer that is an error, in the form of the SDK's errors, so that both are understood in one place. Of the
 * elements of the answer it takes those alone that quote nothing secret.
 */
export class AnswerError extends Error {
  readonly $metadata: { readonly httpStatusCode: number }
  readonly $response: { readonly headers: HttpAnswer['headers'] }
  readonly [element: string]: unknown

  constructor({ status, headers, body }: HttpAnswer) {
    const { Message, ...elements } = elementsOf(body)
    super(Message ?? `The storage answered ${status}.`)
    Object.assign(this, elements)
    this.name = elements.Code ?? 'UnknownError'
    this.$metadata = { httpStatusCode: status }
    this.$response = { headers }
  }
}

/** The elements of "Error responses", Amazon S3 API Reference: a flat list of texts. */
function elementsOf(xml: string): Record<string, string> {
  const elements: Record<string, string> = {}
  for (const [, name = '', text = ''] of xml.matchAll(/<([A-Za-z]+)>([^<]*)<\/\1>/g)) {
    if (LOGGABLE.has(name)) elements[name] = decodeText(text)
  }
  return elements
}
