import type { QueryRunner } from 'typeorm'
import { StorageError } from '../../core/errors.js'
import { digestOf, triggerName } from './sql-text.js'
import { objectKeySql, type TriggerColumn, type TriggerPlan } from './trigger-plan.js'

/**
 * PostgreSQL: row triggers for deleted and updated rows, `ON DELETE CASCADE` included, and one for TRUNCATE, which
 * is what `clear()` sends. All names are qualified, so no search path of a later session matters.
 */
export const postgresTriggers = {
  async install(runner: QueryRunner, plan: TriggerPlan): Promise<void> {
    const table = await resolve(runner, plan.tablePath)
    const ledger = await resolve(runner, plan.ledger)
    if (table === undefined || ledger === undefined)
      throw missing(table === undefined ? plan.tablePath : plan.ledger)
    await this.drop(runner, plan)
    const { read, act, triggers } = namesOf(table.schema, plan)
    await runner.query(readFunction(read, plan))
    await runner.query(actFunction(act, read, { ...plan, ledger: ledger.path }, table.path))
    const changed = plan.columns.map(({ name }) => `OLD.${quote(name)} IS DISTINCT FROM NEW.${quote(name)}`)
    const [deleted = '', updated = '', truncated = ''] = triggers.map(quote)
    const run = `EXECUTE FUNCTION ${act}()`
    await runner.query(`CREATE TRIGGER ${deleted} AFTER DELETE ON ${table.path} FOR EACH ROW ${run}`)
    await runner.query(
      `CREATE TRIGGER ${updated} AFTER UPDATE ON ${table.path} FOR EACH ROW WHEN (${changed.join(' OR ')}) ${run}`,
    )
    await runner.query(
      `CREATE TRIGGER ${truncated} BEFORE TRUNCATE ON ${table.path} FOR EACH STATEMENT ${run}`,
    )
  },

  async drop(runner: QueryRunner, plan: TriggerPlan): Promise<void> {
    const table = await resolve(runner, plan.tablePath)
    if (table === undefined) return // the triggers went with their table
    const { read, act, triggers } = namesOf(table.schema, plan)
    for (const name of triggers) await runner.query(`DROP TRIGGER IF EXISTS ${quote(name)} ON ${table.path}`)
    await runner.query(`DROP FUNCTION IF EXISTS ${act}()`)
    await runner.query(`DROP FUNCTION IF EXISTS ${read}(text)`)
  },

  async isInstalled(runner: QueryRunner, plan: TriggerPlan): Promise<boolean> {
    const { triggers } = namesOf('', plan)
    const [found] = await runner.query(
      `SELECT count(*)::int AS triggers FROM pg_trigger JOIN pg_proc ON pg_proc.oid = tgfoid
WHERE tgrelid = to_regclass($1) AND tgname = ANY($2) AND tgenabled IN ('O', 'A') AND position($3 IN prosrc) > 0`,
      [quotePath(plan.tablePath), triggers, stamp(plan)],
    )
    return found.triggers === triggers.length
  },
}

function namesOf(schema: string, plan: TriggerPlan) {
  const name = triggerName(plan.tableName)
  return {
    act: `${schema}.${quote(name)}`,
    read: `${schema}.${quote(`${name}_read`)}`,
    triggers: ['deleted', 'updated', 'truncated'].map(event => `${name}_${event}`),
  }
}

/** Gives the files in a column's text: one, a list, or none where the text is of another kind. */
function readFunction(name: string, { disks }: TriggerPlan): string {
  return define(
    `${name}(content text) RETURNS TABLE (backend text, object_key text) LANGUAGE plpgsql IMMUTABLE ROWS 1`,
    `DECLARE doc jsonb;
BEGIN
  -- text of an old column, which only the application can read
  IF content IS NULL OR content !~ '^[[:space:]]*[[{]' THEN RETURN; END IF;
  -- nobody's DELETE may fail because of what a column holds
  BEGIN doc := content::jsonb; EXCEPTION WHEN others THEN RETURN; END;
  IF jsonb_typeof(doc) = 'object' THEN doc := jsonb_build_array(doc); END IF;
  RETURN QUERY SELECT file->>'backend', ${objectKeySql(disks, {
    disk: "file->>'disk'",
    tenant: "(file->>'tenant')",
    key: "(file->>'key')",
    isTenantId: `(file->>'tenant') ~ '^[A-Za-z0-9-][A-Za-z0-9_-]{0,63}$' AND file->>'tenant' <> 'shared'`,
  })}
  FROM jsonb_array_elements(doc) AS file
  WHERE jsonb_typeof(file) = 'object' AND file->'v' = '1' AND jsonb_typeof(file->'disk') = 'string'
    AND jsonb_typeof(file->'backend') = 'string' AND jsonb_typeof(file->'key') = 'string'
    AND jsonb_typeof(file->'tenant') IN ('string', 'null');
END`,
  )
}

function actFunction(name: string, read: string, plan: TriggerPlan, table: string): string {
  const { columns, ledger } = plan
  const update = (set: string, files: string) => `UPDATE ${ledger} AS line SET ${set}
    FROM (${files}) AS file
    WHERE line.backend = file.backend COLLATE "C" AND line.object_key = file.object_key COLLATE "C" AND line.state = 'attached';`
  const still = columns.map(
    ({ name }) => `SELECT object_key FROM ${read}(NEW.${quote(name)}) WHERE object_key IS NOT NULL`,
  )
  const removed = ({ name, onRemove }: TriggerColumn) =>
    update(onRemove, `SELECT DISTINCT * FROM ${read}(OLD.${quote(name)})`)
  const replaced = ({ name, onReplace }: TriggerColumn) =>
    update(
      onReplace,
      `SELECT DISTINCT * FROM ${read}(OLD.${quote(name)}) WHERE object_key NOT IN (${still.join(' UNION ALL ')})`,
    )
  const truncated = ({ name, onRemove }: TriggerColumn) =>
    update(
      onRemove,
      `SELECT DISTINCT files.* FROM ${table} AS entity, ${read}(entity.${quote(name)}) AS files`,
    )
  return define(
    `${name}() RETURNS trigger LANGUAGE plpgsql`,
    `-- ${stamp(plan)}
BEGIN
  IF TG_OP = 'DELETE' THEN
    ${columns.map(removed).join('\n    ')}
  ELSIF TG_OP = 'UPDATE' THEN
    ${columns.map(replaced).join('\n    ')}
  ELSE
    ${columns.map(truncated).join('\n    ')}
  END IF;
  RETURN NULL;
END`,
  )
}

function define(head: string, body: string): string {
  const tag = `$tenant_files_${digestOf(body)}$`
  return `CREATE FUNCTION ${head} AS ${tag}\n${body}\n${tag}`
}

/** Triggers of another set-up do not count as installed: a column may have been added since. */
function stamp({ columns, disks }: TriggerPlan): string {
  return `tenant-files ${digestOf(JSON.stringify([columns, disks]))}`
}

interface Table {
  /** Quoted, as the path. */
  readonly schema: string
  readonly path: string
}

async function resolve(runner: QueryRunner, tablePath: string): Promise<Table | undefined> {
  const [found] = await runner.query(
    `SELECT quote_ident(nspname) AS schema, quote_ident(nspname) || '.' || quote_ident(relname) AS path
FROM pg_class JOIN pg_namespace ON pg_namespace.oid = relnamespace WHERE pg_class.oid = to_regclass($1)`,
    [quotePath(tablePath)],
  )
  return found
}

function quotePath(path: string): string {
  return path.startsWith('"') ? path : path.split('.').map(quote).join('.')
}

function quote(name: string): string {
  return `"${name.replaceAll('"', '""')}"`
}

function missing(table: string): StorageError {
  return new StorageError(
    'ERR_CONFIG',
    `There is no table ${table} yet. Install the triggers in a migration behind the one that creates it.`,
  )
}
