BEGIN TRANSACTION;
CREATE TABLE __layouts (group_id INTEGER PRIMARY KEY, table_name TEXT NOT NULL UNIQUE, version INTEGER NOT NULL,
	join_keys TEXT NOT NULL, columns TEXT NOT NULL) STRICT;
INSERT INTO "__layouts" VALUES(3,'purchases',1,'customer_id STRING','quantity INTEGER
amount REAL');
INSERT INTO "__layouts" VALUES(4,'customer_purchases',1,'customer_id STRING','customer_purchase_count_30d INTEGER
avg_order_value_90d REAL
segments TEXT
last_purchase INTEGER');
INSERT INTO "__layouts" VALUES(5,'shops',1,'country STRING
shop_id INTEGER','open INTEGER
profile TEXT');
INSERT INTO "__layouts" VALUES(15,'customer',1,'customer_id STRING','drafted REAL');
CREATE TABLE __loads (first_id INTEGER PRIMARY KEY, last_id INTEGER NOT NULL, group_id INTEGER NOT NULL, run_id INTEGER NOT NULL) STRICT;
CREATE TABLE __store (one INTEGER PRIMARY KEY CHECK (one = 1), identity TEXT NOT NULL, next_id INTEGER NOT NULL,
	clock INTEGER NOT NULL, layouts INTEGER NOT NULL, installation TEXT) STRICT;
INSERT INTO "__store" VALUES(1,'4IGGWVM3JL5UOZNAJCZ6MQC6HF',11,1795788572364573,5,'bcc0db5eb920011e2a7f187529ead9c3');
CREATE TABLE "customer" ("customer_id" TEXT NOT NULL, event_time INTEGER NOT NULL, ingest_time INTEGER NOT NULL, ingest_id INTEGER PRIMARY KEY, run_id INTEGER, schema_version INTEGER NOT NULL, presence TEXT, "drafted" REAL) STRICT;
INSERT INTO "customer" VALUES('777',1768867200000000,1795788572165651,4,NULL,1,NULL,1.5);
CREATE TABLE "customer_purchases" ("customer_id" TEXT NOT NULL, event_time INTEGER NOT NULL, ingest_time INTEGER NOT NULL, ingest_id INTEGER PRIMARY KEY, run_id INTEGER, schema_version INTEGER NOT NULL, presence TEXT, "customer_purchase_count_30d" INTEGER, "avg_order_value_90d" REAL, "segments" TEXT, "last_purchase" INTEGER) STRICT;
INSERT INTO "customer_purchases" VALUES('12345',1769860800000000,1795788572130341,1,NULL,1,NULL,5,87.5,'["gold","web"]',1769760000000000);
INSERT INTO "customer_purchases" VALUES('12345',1768478400000000,1795788572139261,2,NULL,1,'.1.',3,NULL,NULL,NULL);
INSERT INTO "customer_purchases" VALUES('12345',1769860800000000,1795788572149842,3,NULL,1,'.2.',NULL,NULL,NULL,NULL);
INSERT INTO "customer_purchases" VALUES('00001',1769904000000000,1795788572364573,9,2,1,'.1.2.',2,19.99,NULL,NULL);
INSERT INTO "customer_purchases" VALUES('00002',1769904000000000,1795788572364573,10,2,1,'.1.2.',0,NULL,NULL,NULL);
CREATE TABLE "purchases" ("customer_id" TEXT NOT NULL, event_time INTEGER NOT NULL, ingest_time INTEGER NOT NULL, ingest_id INTEGER PRIMARY KEY, run_id INTEGER, schema_version INTEGER NOT NULL, presence TEXT, "quantity" INTEGER, "amount" REAL) STRICT;
INSERT INTO "purchases" VALUES('12345',1768003200000000,1795788572288594,6,1,1,NULL,1,9.99);
INSERT INTO "purchases" VALUES('12345',1768003200000000,1795788572288594,7,1,1,NULL,1,9.99);
INSERT INTO "purchases" VALUES('777',1768089600000000,1795788572288594,8,1,1,NULL,2,20.0);
CREATE TABLE "shops" ("country" TEXT NOT NULL, "shop_id" INTEGER NOT NULL, event_time INTEGER NOT NULL, ingest_time INTEGER NOT NULL, ingest_id INTEGER PRIMARY KEY, run_id INTEGER, schema_version INTEGER NOT NULL, presence TEXT, "open" INTEGER, "profile" TEXT) STRICT;
INSERT INTO "shops" VALUES('NL',7,1768867200000000,1795788572179255,5,NULL,1,NULL,1,'{"size":3}');
CREATE INDEX "by_entity__4" ON "customer_purchases" ("customer_id", event_time);
CREATE INDEX "by_entity__15" ON "customer" ("customer_id", event_time);
CREATE INDEX "by_entity__5" ON "shops" ("country", "shop_id", event_time);
CREATE INDEX "by_entity__3" ON "purchases" ("customer_id", event_time);
COMMIT;
PRAGMA user_version = 1;
