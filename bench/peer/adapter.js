// node-oidc-provider's storage on PostgreSQL: one jsonb table, named (prepared) statements, default durability.
import pg from 'pg';

export const pool = new pg.Pool({ connectionString: process.env.PEER_DATABASE, max: 8 });

const SCHEMA = `
DROP TABLE IF EXISTS peer_payloads, peer_persons;
CREATE TABLE peer_payloads (
  kind text NOT NULL, id text NOT NULL, payload jsonb NOT NULL, grant_id text, uid text,
  expires_at timestamptz, PRIMARY KEY (kind, id));
CREATE INDEX peer_payloads_grant ON peer_payloads (grant_id) WHERE grant_id IS NOT NULL;
CREATE INDEX peer_payloads_uid ON peer_payloads (uid) WHERE uid IS NOT NULL;
CREATE TABLE peer_persons (id text PRIMARY KEY, login text UNIQUE NOT NULL, password text NOT NULL, claims jsonb NOT NULL);`;

export const createSchema = () => pool.query(SCHEMA);

const named = (name, text) => (values) => pool.query({ name, text, values });

const upsert = named('upsert', `
  INSERT INTO peer_payloads (kind, id, payload, grant_id, uid, expires_at)
  VALUES ($1, $2, $3, $4, $5, now() + make_interval(secs => $6))
  ON CONFLICT (kind, id) DO UPDATE SET payload = excluded.payload, grant_id = excluded.grant_id,
    uid = excluded.uid, expires_at = excluded.expires_at`);
const find = named('find', `
  SELECT payload FROM peer_payloads WHERE kind = $1 AND id = $2 AND (expires_at IS NULL OR expires_at > now())`);
const findByUid = named('find_by_uid', `
  SELECT payload FROM peer_payloads WHERE kind = $1 AND uid = $2 AND (expires_at IS NULL OR expires_at > now())`);
const consume = named('consume', `
  UPDATE peer_payloads SET payload = jsonb_set(payload, '{consumed}', to_jsonb(extract(epoch FROM now())::bigint))
  WHERE kind = $1 AND id = $2`);
const destroy = named('destroy', 'DELETE FROM peer_payloads WHERE kind = $1 AND id = $2');
const revoke = named('revoke', 'DELETE FROM peer_payloads WHERE grant_id = $1');
const personById = named('person_by_id', 'SELECT id, claims FROM peer_persons WHERE id = $1');
const personByLogin = named('person_by_login', 'SELECT id, password FROM peer_persons WHERE login = $1');

export const findPerson = async (id) => (await personById([id])).rows[0];
export const findLogin = async (login) => (await personByLogin([login])).rows[0];
export const addPerson = (id, login, password, claims) =>
  pool.query('INSERT INTO peer_persons VALUES ($1, $2, $3, $4)', [id, login, password, claims]);

export class PostgresAdapter {
  constructor(kind) { this.kind = kind; }

  async upsert(id, payload, expiresIn) {
    await upsert([this.kind, id, payload, payload.grantId ?? null, payload.uid ?? null, expiresIn ?? null]);
  }

  async find(id) { return (await find([this.kind, id])).rows[0]?.payload; }

  async findByUid(uid) { return (await findByUid([this.kind, uid])).rows[0]?.payload; }

  async findByUserCode() { return undefined; }

  async consume(id) { await consume([this.kind, id]); }

  async destroy(id) { await destroy([this.kind, id]); }

  async revokeByGrantId(grantId) { await revoke([grantId]); }
}
