import type { QueryRunner } from 'typeorm'
import { triggerName } from './sql-text.js'
import { objectKeySql, type TriggerColumn, type TriggerPlan } from './trigger-plan.js'

/** SQLite: triggers for deleted and updated rows. `clear()` is a DELETE there, and foreign keys fire triggers. */
export const sqliteTriggers = {
  async install(runner: QueryRunner, plan: TriggerPlan): Promise<void> {
    await this.drop(runner, plan)
    for (const statement of statementsOf(plan)) await runner.query(statement)
  },

  async drop(runner: QueryRunner, plan: TriggerPlan): Promise<void> {
    for (const name of namesOf(plan)) await runner.query(`DROP TRIGGER IF EXISTS ${quote(name)}`)
  },

  /** As they would be made now: a migration that rebuilds a table drops its triggers, or a column was added since. */
  async isInstalled(runner: QueryRunner, plan: TriggerPlan): Promise<boolean> {
    const found: { sql: string }[] = await runner.query(
      `SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? AND name IN (?, ?)`,
      [plan.tableName, ...namesOf(plan)],
    )
    const made = new Set(found.map(({ sql }) => sql))
    return statementsOf(plan).every(statement => made.has(statement))
  },
}

function namesOf({ tableName }: TriggerPlan): string[] {
  return ['deleted', 'updated'].map(event => `${triggerName(tableName)}_${event}`)
}

function statementsOf(plan: TriggerPlan): string[] {
  const [deleted = '', updated = ''] = namesOf(plan).map(quote)
  const table = quote(plan.tableName)
  const changed = plan.columns.map(({ name }) => `OLD.${quote(name)} IS NOT NEW.${quote(name)}`)
  const removed = ({ name, onRemove }: TriggerColumn) =>
    update(plan, onRemove, filesSql(plan, `OLD.${quote(name)}`))
  const still = plan.columns.map(
    ({ name }) =>
      `SELECT object_key FROM (${filesSql(plan, `NEW.${quote(name)}`)}) WHERE object_key IS NOT NULL`,
  )
  const replaced = ({ name, onReplace }: TriggerColumn) =>
    update(
      plan,
      onReplace,
      `SELECT * FROM (${filesSql(plan, `OLD.${quote(name)}`)}) WHERE object_key NOT IN (${still.join(' UNION ALL ')})`,
    )
  return [
    `CREATE TRIGGER ${deleted} AFTER DELETE ON ${table} BEGIN ${plan.columns.map(removed).join(' ')} END`,
    `CREATE TRIGGER ${updated} AFTER UPDATE ON ${table} WHEN ${changed.join(' OR ')} BEGIN ${plan.columns.map(replaced).join(' ')} END`,
  ]
}

// The plus keeps SQLite from its index of states: it would read all attached lines for each row.
function update({ ledger }: TriggerPlan, set: string, files: string): string {
  return `UPDATE ${ledger} SET ${set} WHERE +state = 'attached' AND (backend, object_key) IN (${files});`
}

/**
 * A query that gives the files in a column's text: one, a list, or none where the text is of another kind. Only
 * JSON gets to the functions that would fail on anything else, as nobody's DELETE may.
 */
export function filesSql({ disks }: Pick<TriggerPlan, 'disks'>, content: string): string {
  const list = `CASE WHEN json_valid(${content}) THEN CASE json_type(${content}) WHEN 'array' THEN ${content} WHEN 'object' THEN '[' || ${content} || ']' ELSE '[]' END ELSE '[]' END`
  const field = (name: string) => `json_extract(file.value, '$.${name}')`
  const type = (name: string) => `json_type(file.value, '$.${name}')`
  const tenant = field('tenant')
  return `SELECT ${field('backend')} AS backend, ${objectKeySql(disks, {
    disk: field('disk'),
    tenant,
    key: field('key'),
    isTenantId: `length(${tenant}) BETWEEN 1 AND 64 AND ${tenant} NOT GLOB '*[^A-Za-z0-9_-]*' AND ${tenant} NOT GLOB '[_]*' AND ${tenant} <> 'shared'`,
  })} AS object_key
FROM json_each(${list}) AS file
WHERE file.type = 'object' AND ${field('v')} = 1 AND ${type('disk')} = 'text' AND ${type('backend')} = 'text' AND ${type('key')} = 'text' AND ${type('tenant')} IN ('text', 'null')`
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}
