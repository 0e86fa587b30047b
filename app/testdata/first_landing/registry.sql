BEGIN TRANSACTION;
CREATE TABLE database_format (
    id            INTEGER PRIMARY KEY CHECK (id = 1),
    oldest_served INTEGER NOT NULL
) STRICT;
INSERT INTO "database_format" VALUES(1,1);
CREATE TABLE database_migrations (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO "database_migrations" VALUES(1,0,1,'2026-11-27 14:09:31');
INSERT INTO "database_migrations" VALUES(2,1,1,'2026-11-27 14:09:31');
CREATE TABLE registry_definitions (
    id         INTEGER PRIMARY KEY,
    kind       TEXT    NOT NULL,
    parent     INTEGER NOT NULL, -- of a feature: its group; else 0
    name       TEXT    NOT NULL,
    version    INTEGER NOT NULL,
    status     TEXT    NOT NULL, -- draft, active, deprecated, archived or deleted
    document   TEXT    NOT NULL, -- JSON: what was said of it
    layout     TEXT    NOT NULL, -- JSON: what storage needs to know of it
    revision   INTEGER NOT NULL, -- of the last change
    created_at INTEGER NOT NULL, -- microseconds
    updated_at INTEGER NOT NULL,
    UNIQUE (kind, parent, name)
) STRICT;
INSERT INTO "registry_definitions" VALUES(1,'entity_type',0,'customer',1,'active','{"join_keys":[{"name":"customer_id","value_type":"STRING"}]}','{}',1,1795788572108670,1795788572108670);
INSERT INTO "registry_definitions" VALUES(2,'entity_type',0,'shop',1,'active','{"join_keys":[{"name":"country","value_type":"STRING"},{"name":"shop_id","value_type":"INTEGER"}]}','{}',1,1795788572108670,1795788572108670);
INSERT INTO "registry_definitions" VALUES(3,'group',0,'purchases',1,'active','{"entity_type":"customer","kind":"events"}','{"entity_type":1,"schema_version":1,"next_ordinal":3}',1,1795788572108670,1795788572108670);
INSERT INTO "registry_definitions" VALUES(4,'group',0,'customer_purchases',1,'active','{"entity_type":"customer","kind":"features","ttl":"36500d"}','{"entity_type":1,"schema_version":1,"next_ordinal":5}',1,1795788572108670,1795788572108670);
INSERT INTO "registry_definitions" VALUES(5,'group',0,'shops',1,'active','{"entity_type":"shop","kind":"features"}','{"entity_type":2,"schema_version":1,"next_ordinal":3}',1,1795788572108670,1795788572108670);
INSERT INTO "registry_definitions" VALUES(6,'feature',3,'quantity',1,'active','{"value_type":"INTEGER","status":"active"}','{"ordinal":1,"columns":1,"since":1,"generation":1}',1,1795788572108670,1795788572108670);
INSERT INTO "registry_definitions" VALUES(7,'feature',3,'amount',1,'active','{"value_type":"FLOAT","status":"active","unit":"USD"}','{"ordinal":2,"columns":1,"since":1,"generation":1}',1,1795788572108670,1795788572108670);
INSERT INTO "registry_definitions" VALUES(8,'feature',4,'customer_purchase_count_30d',1,'active','{"value_type":"INTEGER","status":"active","description":"Purchases in the last 30 days","tags":["core"],"frequency":"DAILY"}','{"ordinal":1,"columns":1,"since":1,"generation":1,"short_names":["customer_purchase_count_30d","purchase_count_30d"]}',1,1795788572108670,1795788572108670);
INSERT INTO "registry_definitions" VALUES(9,'feature',4,'avg_order_value_90d',1,'active','{"value_type":"FLOAT","status":"active"}','{"ordinal":2,"columns":1,"since":1,"generation":1,"short_names":["avg_order_value_90d"]}',1,1795788572108670,1795788572108670);
INSERT INTO "registry_definitions" VALUES(10,'feature',4,'segments',1,'active','{"value_type":"STRING[]","status":"active"}','{"ordinal":3,"columns":1,"since":1,"generation":1,"short_names":["segments"]}',1,1795788572108670,1795788572108670);
INSERT INTO "registry_definitions" VALUES(11,'feature',4,'last_purchase',1,'active','{"value_type":"TIMESTAMP","status":"active"}','{"ordinal":4,"columns":1,"since":1,"generation":1,"short_names":["last_purchase"]}',1,1795788572108670,1795788572108670);
INSERT INTO "registry_definitions" VALUES(12,'feature',5,'open',1,'active','{"value_type":"BOOLEAN","status":"active"}','{"ordinal":1,"columns":1,"since":1,"generation":1,"short_names":["open"]}',1,1795788572108670,1795788572108670);
INSERT INTO "registry_definitions" VALUES(13,'feature',5,'profile',1,'active','{"value_type":"JSON","status":"active"}','{"ordinal":2,"columns":1,"since":1,"generation":1,"short_names":["profile"]}',1,1795788572108670,1795788572108670);
INSERT INTO "registry_definitions" VALUES(14,'service',0,'churn',1,'active','{"features":["customer_purchases:customer_purchase_count_30d","customer_purchases:avg_order_value_90d"]}','{}',1,1795788572108670,1795788572108670);
INSERT INTO "registry_definitions" VALUES(15,'group',0,'customer',1,'active','{"entity_type":"customer","kind":"features"}','{"entity_type":1,"schema_version":1,"next_ordinal":2}',2,1795788572159465,1795788572159465);
INSERT INTO "registry_definitions" VALUES(16,'feature',15,'drafted',1,'draft','{"value_type":"FLOAT","status":"draft"}','{"ordinal":1,"columns":1,"since":1,"generation":1,"short_names":["drafted"]}',2,1795788572159465,1795788572159465);
CREATE TABLE registry_migrations (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO "registry_migrations" VALUES(1,0,1,'2026-11-27 14:09:32');
INSERT INTO "registry_migrations" VALUES(2,1,1,'2026-11-27 14:09:32');
CREATE TABLE registry_state (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    revision     INTEGER NOT NULL,
    next_id      INTEGER NOT NULL,
    installation TEXT    NOT NULL
) STRICT;
INSERT INTO "registry_state" VALUES(1,2,17,'bcc0db5eb920011e2a7f187529ead9c3');
CREATE TABLE registry_versions (
    definition_id INTEGER NOT NULL REFERENCES registry_definitions (id),
    version       INTEGER NOT NULL,
    action        TEXT    NOT NULL, -- created, changed or deleted
    changes       TEXT    NOT NULL, -- JSON: [{member, from, to}]
    document      TEXT    NOT NULL,
    revision      INTEGER NOT NULL,
    at            INTEGER NOT NULL,
    PRIMARY KEY (definition_id, version)
) STRICT, WITHOUT ROWID;
INSERT INTO "registry_versions" VALUES(1,1,'created','[]','{"join_keys":[{"name":"customer_id","value_type":"STRING"}]}',1,1795788572108670);
INSERT INTO "registry_versions" VALUES(2,1,'created','[]','{"join_keys":[{"name":"country","value_type":"STRING"},{"name":"shop_id","value_type":"INTEGER"}]}',1,1795788572108670);
INSERT INTO "registry_versions" VALUES(3,1,'created','[]','{"entity_type":"customer","kind":"events"}',1,1795788572108670);
INSERT INTO "registry_versions" VALUES(4,1,'created','[]','{"entity_type":"customer","kind":"features","ttl":"36500d"}',1,1795788572108670);
INSERT INTO "registry_versions" VALUES(5,1,'created','[]','{"entity_type":"shop","kind":"features"}',1,1795788572108670);
INSERT INTO "registry_versions" VALUES(6,1,'created','[]','{"value_type":"INTEGER","status":"active"}',1,1795788572108670);
INSERT INTO "registry_versions" VALUES(7,1,'created','[]','{"value_type":"FLOAT","status":"active","unit":"USD"}',1,1795788572108670);
INSERT INTO "registry_versions" VALUES(8,1,'created','[]','{"value_type":"INTEGER","status":"active","description":"Purchases in the last 30 days","tags":["core"],"frequency":"DAILY"}',1,1795788572108670);
INSERT INTO "registry_versions" VALUES(9,1,'created','[]','{"value_type":"FLOAT","status":"active"}',1,1795788572108670);
INSERT INTO "registry_versions" VALUES(10,1,'created','[]','{"value_type":"STRING[]","status":"active"}',1,1795788572108670);
INSERT INTO "registry_versions" VALUES(11,1,'created','[]','{"value_type":"TIMESTAMP","status":"active"}',1,1795788572108670);
INSERT INTO "registry_versions" VALUES(12,1,'created','[]','{"value_type":"BOOLEAN","status":"active"}',1,1795788572108670);
INSERT INTO "registry_versions" VALUES(13,1,'created','[]','{"value_type":"JSON","status":"active"}',1,1795788572108670);
INSERT INTO "registry_versions" VALUES(14,1,'created','[]','{"features":["customer_purchases:customer_purchase_count_30d","customer_purchases:avg_order_value_90d"]}',1,1795788572108670);
INSERT INTO "registry_versions" VALUES(15,1,'created','[]','{"entity_type":"customer","kind":"features"}',2,1795788572159465);
INSERT INTO "registry_versions" VALUES(16,1,'created','[]','{"value_type":"FLOAT","status":"draft"}',2,1795788572159465);
CREATE TABLE runs (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    kind             TEXT    NOT NULL,
    subject          TEXT    NOT NULL,
    state            TEXT    NOT NULL,
    submitted        INTEGER NOT NULL, -- 1: may be done again by another process
    parameters       TEXT    NOT NULL, -- JSON, or empty
    progress         TEXT    NOT NULL,
    result           TEXT    NOT NULL,
    reason           TEXT    NOT NULL,
    attempts         INTEGER NOT NULL,
    owner            TEXT    NOT NULL, -- the process that works on it
    lease_until      INTEGER NOT NULL, -- times in µs since 1970
    cancel_requested INTEGER NOT NULL,
    created_at       INTEGER NOT NULL,
    started_at       INTEGER,
    finished_at      INTEGER
) STRICT;
INSERT INTO "runs" VALUES(1,'load','purchases','succeeded',0,'{"group":"purchases"}','','{"group":"purchases","run_id":1,"received":3,"stored":3,"duplicate":0,"rejected":0,"quarantined":0,"erased":0,"nulls":{},"ignored_columns":[],"registered":[],"bad_rows":[]}','',1,'',1795788602281082,0,1795788572281082,1795788572281082,1795788572310722);
INSERT INTO "runs" VALUES(2,'load','customer_purchases','succeeded',0,'{"group":"customer_purchases"}','','{"group":"customer_purchases","run_id":2,"received":2,"stored":2,"duplicate":0,"rejected":0,"quarantined":0,"erased":0,"nulls":{"avg_order_value_90d":1},"ignored_columns":[],"registered":[],"bad_rows":[],"publication_run_id":3}','',1,'',1795788602363114,0,1795788572363114,1795788572363114,1795788572366104);
INSERT INTO "runs" VALUES(3,'materialization','customer_purchases','succeeded',1,'{"mode":"incremental"}','','{"mode":"incremental","rows_read":5,"rows_written":2,"rows_older":3,"rows_rejected":0,"rows_per_second":10232.335407768798}','',1,'',1795788602366511,0,1795788572365675,1795788572366511,1795788572367742);
INSERT INTO "runs" VALUES(4,'materialization','customer_purchases','succeeded',1,'{"mode":"full"}','','{"mode":"full","rows_read":3,"rows_written":0,"rows_older":3,"rows_rejected":0,"rows_per_second":12048.192771084337}','',1,'',1795788602390325,0,1795788572387609,1795788572390325,1795788572392350);
INSERT INTO "runs" VALUES(5,'materialization','shops','succeeded',1,'{"mode":"full"}','','{"mode":"full","rows_read":1,"rows_written":0,"rows_older":1,"rows_rejected":0,"rows_per_second":5331.911490269262}','',1,'',1795788602392766,0,1795788572389975,1795788572392766,1795788572394982);
INSERT INTO "runs" VALUES(6,'materialization','customer','succeeded',1,'{"mode":"full"}','','{"mode":"full","rows_read":1,"rows_written":0,"rows_older":1,"rows_rejected":0,"rows_per_second":7952.47600340366}','',1,'',1795788602397064,0,1795788572390750,1795788572397064,1795788572397895);
CREATE TABLE runs_migrations (
		id INTEGER PRIMARY KEY AUTOINCREMENT,
		version_id INTEGER NOT NULL,
		is_applied INTEGER NOT NULL,
		tstamp TIMESTAMP DEFAULT (datetime('now'))
	);
INSERT INTO "runs_migrations" VALUES(1,0,1,'2026-11-27 14:09:31');
INSERT INTO "runs_migrations" VALUES(2,1,1,'2026-11-27 14:09:31');
CREATE INDEX runs_unfinished ON runs (state, kind, id) WHERE state IN ('queued', 'running');
CREATE INDEX runs_of_subject ON runs (kind, subject, id);
CREATE INDEX runs_finished ON runs (finished_at) WHERE finished_at IS NOT NULL;
CREATE INDEX registry_definitions_revision ON registry_definitions (revision, id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('database_migrations',2);
INSERT INTO "sqlite_sequence" VALUES('runs_migrations',2);
INSERT INTO "sqlite_sequence" VALUES('registry_migrations',2);
INSERT INTO "sqlite_sequence" VALUES('runs',6);
COMMIT;
PRAGMA user_version = 0;
