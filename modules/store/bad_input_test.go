package store_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"featurestore/app/fault"
	"featurestore/modules/store"
)

// badCase is a request that must be refused: with that status and problem, with a violation at that place, and without a trace.
type badCase struct {
	name    string
	request string
	body    string
	headers string // "Name: value", several separated by |
	status  int
	slug    string
	at      string // the location of a violation
}

const (
	rowsCSV  = "Content-Type: text/csv"
	ndjson   = "Content-Type: application/x-ndjson"
	spine    = "/training-sets?features=spending:avg_order_value"
	storeOne = "POST /store/customer/1"
	storeAll = "POST /store/customer"
	getAll   = "POST /get/customer"
	feast    = "POST /get-online-features"
	load     = "POST /rows/spending"
)

var badCases = slices.Concat(badNames, badValues, badTimes, badEntities, badBodies, badQueries, badReads, badTables, badSpines, badDefinitions, badKeys)

var badNames = []badCase{
	{"a feature in upper case", storeOne, `{"Score": 1}`, "", 422, "invalid-definition", "Score"},
	{"a feature with two underscores", storeOne, `{"a__b": 1}`, "", 422, "invalid-definition", "a__b"},
	{"a feature that begins with a digit", storeOne, `{"1a": 1}`, "", 422, "invalid-definition", "1a"},
	{"a feature without a name", storeOne, `{"": 1}`, "", 422, "invalid-definition", ""},
	{"a feature with a long name", storeOne, `{"` + strings.Repeat("a", 49) + `": 1}`, "", 422, "invalid-definition", "aaa"},
	{"a feature with a space", storeOne, `{"a b": 1}`, "", 422, "invalid-definition", "a b"},
	{"SQL in the name of a feature", storeOne, `{"x; DROP TABLE spending;--": 1}`, "", 422, "invalid-definition", "DROP"},
	{"a quote in the name of a feature", storeOne, `{"x\"": 1}`, "", 422, "invalid-definition", `x"`},
	{"letters that only look like ASCII", storeOne, `{"ѕcore": 1}`, "", 422, "invalid-definition", "ѕcore"},
	{"an entity type in upper case", "POST /store/Customer/1", `{"a": 1}`, "", 422, "invalid-definition", "entity_type"},
	{"SQL in the name of an entity type", "POST /store/x%27%3B%20DROP%20TABLE%20y--/1", `{"a": 1}`, "", 422, "invalid-definition", "entity_type"},
	{"a path in the name of an entity type", "POST /store/..%2F..%2Fetc%2Fpasswd/1", `{"a": 1}`, "", 422, "invalid-definition", "entity_type"},
	{"a reserved name: ingest_id", storeOne, `{"ingest_id": 1}`, "", 422, "invalid-definition", "ingest_id"},
	{"a reserved name: presence", storeOne, `{"presence": "x"}`, "", 422, "invalid-definition", "presence"},
	{"a reserved name: event_timestamp", storeOne, `{"event_timestamp": "2026-05-01T00:00:00Z"}`, "", 422, "invalid-definition", "event_timestamp"},
	{"a reserved name: entity_id", storeOne, `{"entity_id": "2"}`, "", 422, "invalid-definition", "entity_id"},
	{"a reserved name: rowid", storeOne, `{"rowid": 1}`, "", 422, "invalid-definition", "rowid"},
	{"a join key is no feature", storeOne, `{"customer_id": "2"}`, "", 422, "invalid-observation", "customer_id"},
	{"a feature of a group that is not there", storeOne, `{"nothing:score": 1}`, "", 404, "unknown-feature", "nothing:score"},
	{"a feature that its group does not have", storeOne, `{"spending:scores": 1}`, "", 404, "unknown-feature", "spending:scores"},
	{"a feature of another entity type's group", storeOne, `{"driving:trips": 1}`, "", 404, "unknown-feature", "driving:trips"},
	{"a version of a feature that is not there", storeOne, `{"score@2": 1}`, "", 404, "unknown-feature", "score@2"},
	{"a short name and its reference", storeOne, `{"vip": true, "profile:vip": true}`, "", 422, "invalid-observation", "vip"},
	{"a version that is not there", storeOne, `{"vip@9": true}`, "", 404, "unknown-version", "vip@9"},
}

var badValues = []badCase{
	{"a string for an INTEGER", storeOne, `{"purchase_count": "3"}`, "", 422, "invalid-observation", "purchase_count"},
	{"a fraction for an INTEGER", storeOne, `{"purchase_count": 3.5}`, "", 422, "invalid-observation", "purchase_count"},
	{"an INTEGER beyond 64 bits", storeOne, `{"purchase_count": 9223372036854775808}`, "", 422, "invalid-observation", "purchase_count"},
	{"an INTEGER far beyond 64 bits", storeOne, `{"purchase_count": 1e300}`, "", 422, "invalid-observation", "purchase_count"},
	{"an unregistered integer beyond 64 bits", storeOne, `{"fresh": 92233720368547758080}`, "", 422, "invalid-observation", "fresh"},
	{"a boolean for a FLOAT", storeOne, `{"avg_order_value": true}`, "", 422, "invalid-observation", "avg_order_value"},
	{"NaN", storeOne, `{"avg_order_value": NaN}`, "", 400, "invalid-json", "avg_order_value"},
	{"infinity", storeOne, `{"avg_order_value": Infinity}`, "", 400, "invalid-json", "avg_order_value"},
	{"NaN in quotes", storeOne, `{"avg_order_value": "NaN"}`, "", 422, "invalid-observation", "avg_order_value"},
	{"a FLOAT beyond its range", storeOne, `{"avg_order_value": 1e309}`, "", 422, "invalid-observation", "avg_order_value"},
	{"an integer that no FLOAT is", storeOne, `{"avg_order_value": 9007199254740993}`, "", 422, "invalid-observation", "avg_order_value"},
	{"a number for a STRING", storeOne, `{"first_name": 5}`, "", 422, "invalid-observation", "first_name"},
	{"a word for a BOOLEAN", storeOne, `{"vip": "yes"}`, "", 422, "invalid-observation", "vip"},
	{"a number for a TIMESTAMP", storeOne, `{"last_purchase": 1767225600}`, "", 422, "invalid-observation", "last_purchase"},
	{"a TIMESTAMP without offset", storeOne, `{"last_purchase": "2026-05-01T00:00:00"}`, "", 422, "invalid-observation", "last_purchase"},
	{"the 30th of February", storeOne, `{"last_purchase": "2026-02-30T00:00:00Z"}`, "", 422, "invalid-observation", "last_purchase"},
	{"the year 10000", storeOne, `{"last_purchase": "10000-01-01T00:00:00Z"}`, "", 422, "invalid-observation", "last_purchase"},
	{"a null inside of an array", storeOne, `{"embedding": [1, null]}`, "", 422, "invalid-observation", "embedding"},
	{"a string inside of a FLOAT[]", storeOne, `{"embedding": [1, "2"]}`, "", 422, "invalid-observation", "embedding"},
	{"a number for an array", storeOne, `{"embedding": 1}`, "", 422, "invalid-observation", "embedding"},
	{"NUL in a string", storeOne, `{"first_name": "a\u0000b"}`, "", 400, "invalid-json", "first_name"},
	{"invalid UTF-8 in a string", storeOne, "{\"first_name\": \"a\xff\"}", "", 400, "invalid-json", "first_name"},
	{"half a surrogate pair", storeOne, `{"first_name": "\ud800"}`, "", 400, "invalid-json", "first_name"},
	{"null for a name that nobody registered", storeOne, `{"fresh": null}`, "", 422, "invalid-observation", "fresh"},
	{"an empty array for a name that nobody registered", storeOne, `{"fresh": []}`, "", 422, "invalid-observation", "fresh"},
	{"two types for a name that nobody registered", storeAll, `{"rows": [{"entity_id": "1", "features": {"fresh": 1}}, {"entity_id": "2", "features": {"fresh": "x"}}]}`,
		"", 422, "invalid-observation", "rows[1].fresh"},
	{"a good feature beside a bad one", storeOne, `{"fresh": 1, "vip": 2}`, "", 422, "invalid-observation", "vip"},
	{"an archived feature", storeOne, `{"profile:retired": 1}`, "", 422, "invalid-observation", "retired"},
}

var badTimes = []badCase{
	{"an event time without offset", storeOne + "?event_time=2026-05-01T00:00:00", `{"vip": true}`, "", 400, "invalid-time", "query.event_time"},
	{"an event time that is a date", storeOne + "?event_time=2026-05-01", `{"vip": true}`, "", 400, "invalid-time", "query.event_time"},
	{"an event time that is a number", storeOne + "?event_time=1767225600", `{"vip": true}`, "", 400, "invalid-time", "query.event_time"},
	{"an event time in words", storeOne + "?event_time=yesterday", `{"vip": true}`, "", 400, "invalid-time", "query.event_time"},
	{"an event time six minutes ahead", storeOne + "?event_time=2026-06-01T12:06:00Z", `{"vip": true}`, "", 422, "invalid-observation", "event_time"},
	{"an event time in the year 0", storeOne + "?event_time=0000-01-01T00:00:00Z", `{"vip": true}`, "", 400, "invalid-time", "query.event_time"},
	{"event times that differ", storeOne + "?event_time=2026-05-01T00:00:00Z", `{"vip": true, "event_time": "2026-05-02T00:00:00Z"}`, "", 400, "event-time-twice", "body.event_time"},
	{"an event time in the body without offset", storeOne, `{"vip": true, "event_time": "2026-05-01T00:00:00"}`, "", 400, "invalid-time", "body.event_time"},
	{"an event time that is null", storeOne, `{"vip": true, "event_time": null}`, "", 400, "invalid-time", "body.event_time"},
	{"an event time in the body that is a number", storeOne, `{"vip": true, "event_time": 5}`, "", 400, "invalid-time", "body.event_time"},
	{"a zone that is not there", storeOne + "?time_zone=Mars/Olympus", `{"vip": true}`, "", 400, "unknown-time-zone", "query.time_zone"},
	{"the server's own zone", storeOne + "?time_zone=Local", `{"vip": true}`, "", 400, "unknown-time-zone", "query.time_zone"},
	{"a zone that leads out of the folder", storeOne + "?time_zone=../../etc/passwd", `{"vip": true}`, "", 400, "unknown-time-zone", "query.time_zone"},
	{"a time that came twice", storeOne + "?event_time=2025-10-26T02:30:00&time_zone=Europe/Berlin", `{"vip": true}`, "", 400, "invalid-time", "query.event_time"},
	{"a time that never was", storeOne + "?event_time=2026-03-29T02:30:00&time_zone=Europe/Berlin", `{"vip": true}`, "", 400, "invalid-time", "query.event_time"},
	{"one row of many in the future", storeAll, `{"rows": [{"entity_id": "1", "features": {"vip": true}}, {"entity_id": "2", "event_time": "2027-01-01T00:00:00Z", "features": {"vip": true}}]}`,
		"", 422, "invalid-observation", "rows[1].event_time"},
	{"a range that is empty", "GET /rows/spending?from=2026-05-02T00:00:00Z&to=2026-05-01T00:00:00Z", "", "", 400, "empty-range", "query.from"},
	{"a range without offset", "GET /rows/spending?from=2026-05-02", "", "", 400, "invalid-time", "query.from"},
	{"at and a range", "GET /history/customer/1?at=2026-05-02T00:00:00Z&from=2026-05-01T00:00:00Z", "", "", 400, "at-and-range", "query.at"},
}

var badEntities = []badCase{
	{"an id over 512 bytes", "POST /store/customer/" + strings.Repeat("x", 513), `{"vip": true}`, "", 422, "invalid-observation", "entity_id"},
	{"an id of 512 characters and more bytes", "POST /store/customer/" + strings.Repeat("%C3%BC", 257), `{"vip": true}`, "", 422, "invalid-observation", "entity_id"},
	{"an id with NUL", "POST /store/customer/a%00b", `{"vip": true}`, "", 400, "invalid-text", "path"},
	{"an id that is not UTF-8", "POST /store/customer/%ff", `{"vip": true}`, "", 400, "invalid-text", "path"},
	{"an id of one dot too many slashes", "POST /store/customer/a/b", `{"vip": true}`, "", 404, "unknown-path", "path"},
	{"no id", "POST /store/customer/", `{"vip": true}`, "", 404, "unknown-path", "path"},
	{"a word for an INTEGER key", "POST /store/driver/seven", `{"trips": 1}`, "", 422, "invalid-observation", "entity_id"},
	{"leading zeros for an INTEGER key", "POST /store/driver/007", `{"trips": 1}`, "", 422, "invalid-observation", "entity_id"},
	{"a fraction for an INTEGER key", "POST /store/driver/7.5", `{"trips": 1}`, "", 422, "invalid-observation", "entity_id"},
	{"an INTEGER key beyond 64 bits", "POST /store/driver/9223372036854775808", `{"trips": 1}`, "", 422, "invalid-observation", "entity_id"},
	{"one of two join keys", "POST /store/shop/shop_id=7", `{"guests": 1}`, "", 422, "invalid-observation", "entity_id"},
	{"a join key twice", "POST /store/shop/shop_id=7,shop_id=8,region=eu", `{"guests": 1}`, "", 422, "invalid-observation", "entity_id"},
	{"a join key that is not there", "POST /store/shop/shop_id=7,region=eu,x=1", `{"guests": 1}`, "", 422, "invalid-observation", "entity_id"},
	{"a bare value for two join keys", "POST /store/shop/7", `{"guests": 1}`, "", 422, "invalid-observation", "entity_id"},
	{"separators that are encoded", "POST /store/shop/shop_id%3D7%2Cregion%3Deu", `{"guests": 1}`, "", 422, "invalid-observation", "entity_id"},
	{"an empty join key", "POST /store/shop/shop_id=7,region=", `{"guests": 1}`, "", 422, "invalid-observation", "entity_id"},
	{"a row without an entity", storeAll, `{"rows": [{"features": {"vip": true}}]}`, "", 422, "invalid-observation", "rows[0].entity_id"},
	{"a row with two", storeAll, `{"rows": [{"entity_id": "1", "entity": {"customer_id": "1"}, "features": {"vip": true}}]}`, "", 422, "invalid-observation", "rows[0].entity_id"},
	{"a row with a null entity", storeAll, `{"rows": [{"entity_id": null, "features": {"vip": true}}]}`, "", 422, "invalid-observation", "rows[0].entity_id"},
	{"a row with an entity that is a list", storeAll, `{"rows": [{"entity_id": ["1"], "features": {"vip": true}}]}`, "", 422, "invalid-observation", "rows[0].entity_id"},
	{"a row whose entity has another key", storeAll, `{"rows": [{"entity": {"name": "1"}, "features": {"vip": true}}]}`, "", 422, "invalid-observation", "rows[0].entity_id"},
	{"an entity id that is not well formed", "GET /get/shop/shop_id=7,region/guests", "", "", 400, "invalid-entity", "entity_id"},
}

var badBodies = []badCase{
	{"no body", storeOne, "", "", 400, "empty-body", "body"},
	{"no feature", storeOne, `{}`, "", 422, "invalid-observation", "features"},
	{"only a time", storeOne, `{"event_time": "2026-05-01T00:00:00Z"}`, "", 422, "invalid-observation", "features"},
	{"an array", storeOne, `[1]`, "", 400, "invalid-json", "body"},
	{"a string", storeOne, `"vip"`, "", 400, "invalid-json", "body"},
	{"half a body", storeOne, `{"vip": tr`, "", 400, "invalid-json", "vip"},
	{"a comma too many", storeOne, `{"vip": true,}`, "", 400, "invalid-json", "body"},
	{"something after the body", storeOne, `{"vip": true} {}`, "", 400, "invalid-json", "body"},
	{"a member twice", storeOne, `{"vip": true, "vip": false}`, "", 400, "invalid-json", "body"},
	{"a member twice, once escaped", storeOne, `{"vip": true, "v\u0069p": false}`, "", 400, "invalid-json", "body"},
	{"a member twice inside of JSON", storeOne, `{"address": {"a": 1, "a": 2}}`, "", 400, "invalid-json", "address"},
	{"deep nesting", storeOne, `{"address": ` + strings.Repeat("[", 10_000) + strings.Repeat("]", 10_000) + `}`, "", 400, "invalid-json", "address"},
	{"comments", storeOne, `{"vip": true /* yes */}`, "", 400, "invalid-json", "body"},
	{"single quotes", storeOne, `{'vip': true}`, "", 400, "invalid-json", "body"},
	{"a byte order mark", storeOne, "\ufeff{\"vip\": true}", "", 400, "invalid-json", "body"},
	{"a huge body", storeOne, `{"address": "` + strings.Repeat("x", 70<<10) + `"}`, "", 413, "body-too-large", "body"},
	{"CSV where JSON is expected", storeOne, "a,b\n1,2\n", rowsCSV, 415, "unsupported-content-type", "header.Content-Type"},
	{"XML", storeOne, "<a/>", "Content-Type: application/xml", 415, "unsupported-content-type", "header.Content-Type"},
	{"JSON that is packed", storeOne, gzipped(`{"vip": true}`), "Content-Encoding: gzip", 415, "unsupported-content-encoding", "header.Content-Encoding"},
	{"no rows", storeAll, `{"rows": []}`, "", 400, "empty-body", "body"},
	{"too many rows", storeAll, `{"rows": [` + strings.Repeat(`{"entity_id": 1, "features": {"vip": true}},`, 100) + `{"entity_id": 1, "features": {"vip": true}}]}`,
		"", 413, "too-many-rows", "rows"},
	{"an unknown member beside rows", storeAll, `{"rows": [{"entity_id": "1", "features": {"vip": true}}], "mode": "fast"}`, "", 400, "invalid-json", "mode"},
	{"an unknown member of a row", storeAll, `{"rows": [{"entity_id": "1", "values": {"vip": true}}]}`, "", 400, "invalid-json", "rows[0].values"},
	{"a row without features", storeAll, `{"rows": [{"entity_id": "1"}]}`, "", 422, "invalid-observation", "rows[0].features"},
	{"a row that is no object", storeAll, `{"rows": [{"entity_id": "1", "features": {"vip": true}}, 5]}`, "", 400, "invalid-json", "rows[1]"},
	{"a table without an entity", storeAll, "event_time,vip\n2026-05-01T00:00:00Z,true\n", rowsCSV, 422, "missing-column", "columns"},
	{"a table with a bad cell", storeAll, "customer_id,event_time,vip\n1,2026-05-01T00:00:00Z,maybe\n", rowsCSV, 422, "invalid-observation", "row 1"},
	{"a table with an empty time", storeAll, "customer_id,event_time,vip\n1,,true\n", rowsCSV, 422, "invalid-observation", "row 1, column event_time"},
	{"a ragged table", storeAll, "customer_id,vip\n1,true\n2,true,3\n", rowsCSV, 422, "invalid-observation", "row 2"},
}

var badQueries = []badCase{
	{"a misspelt parameter", storeOne + "?event_tme=2026-05-01T00:00:00Z", `{"vip": true}`, "", 400, "invalid-query", "query.event_tme"},
	{"a parameter twice", storeOne + "?event_time=2026-05-01T00:00:00Z&event_time=2026-05-02T00:00:00Z", `{"vip": true}`, "", 400, "invalid-query", "query.event_time"},
	{"a broken escape", storeOne + "?event_time=%zz", `{"vip": true}`, "", 400, "invalid-query", "query"},
	{"a negative limit", "GET /history/customer/1?limit=-1", "", "", 422, "invalid-request", "query.limit"},
	{"a limit of nothing", "GET /history/customer/1?limit=0", "", "", 422, "invalid-request", "query.limit"},
	{"a huge limit", "GET /history/customer/1?limit=1000000000", "", "", 422, "invalid-request", "query.limit"},
	{"a limit in words", "GET /history/customer/1?limit=all", "", "", 422, "invalid-request", "query.limit"},
	{"a page token of another make", "GET /history/customer/1?page_token=abc", "", "", 400, "invalid-page-token", "query.page_token"},
	{"a boolean in words", "GET /rows/spending?latest=maybe", "", "", 422, "invalid-request", "query.latest"},
	{"an unknown format", "GET /rows/spending?format=xlsx", "", "", 400, "unknown-format", "query.format"},
	{"a format that is not accepted", "GET /rows/spending", "", "Accept: image/png", 406, "unknown-format", "header.Accept"},
	{"an unknown choice", load + "?on_error=ignore", "customer_id\n", rowsCSV, 422, "invalid-request", "query.on_error"},
	{"a wait that is none", load + "?wait=soon", "customer_id\n", rowsCSV, 400, "invalid-duration", "query.wait"},
	{"a wait that is too long", load + "?wait=24h", "customer_id\n", rowsCSV, 400, "invalid-duration", "query.wait"},
	{"an unknown call", "GET /everything", "", "", 404, "unknown-path", "path"},
	{"another method", "DELETE /get/customer/1", "", "", 405, "method-not-allowed", "method"},
	{"a path with dots", "GET /get/customer/..%2F..%2Fetc/vip/x", "", "", 404, "unknown-path", "path"},
	{"a host that is not ours", "GET /get/customer/1", "", "Host: evil.example", 403, "unknown-host", "header.Host"},
	{"a page of another origin", storeOne, `{"vip": true}`, "Origin: https://evil.example", 403, "cross-origin", "header.Origin"},
}

var badReads = []badCase{
	{"an unknown entity type", "GET /get/custmer/1/vip", "", "", 404, "unknown-entity-type", "path.entity_type"},
	{"an unknown feature", "GET /get/customer/1/vipp", "", "", 404, "unknown-feature", "path.feature"},
	{"an unknown version", "GET /get/customer/1/vip@7", "", "", 404, "unknown-version", "path.feature"},
	{"a version that is no number", "GET /get/customer/1/vip@new", "", "", 400, "invalid-version", "path.feature"},
	{"a feature of another entity type", "GET /get/customer/1/driving:trips", "", "", 404, "unknown-feature", "path.feature"},
	{"a feature of an event group", "GET /get/customer/1/purchases:amount", "", "", 422, "event-group", "features"},
	{"one unknown feature of several", "GET /get/customer/1?features=vip,vipp", "", "", 404, "unknown-feature", "query.features"},
	{"a feature twice", "GET /get/customer/1?features=vip,vip", "", "", 400, "asked-twice", "query.features"},
	{"an empty feature", "GET /get/customer/1?features=vip,,first_name", "", "", 404, "unknown-feature", "query.features"},
	{"an unknown service", "GET /get/customer/1?service=chrun", "", "", 404, "unknown-service", "query.service"},
	{"features and a service", "GET /get/customer/1?features=vip&service=churn", "", "", 400, "features-and-service", "query.service"},
	{"a service of several entity types", "GET /get/customer/1?service=mixed", "", "", 422, "other-entity-type", "query.service"},
	{"SQL in place of a feature", "GET /get/customer/1/vip%27%20OR%201=1--", "", "", 404, "unknown-feature", "path.feature"},
	{"many entities, none named", getAll, `{"features": ["vip"]}`, "", 400, "invalid-request", "body.entity_ids"},
	{"many entities, named twice", getAll, `{"entity_ids": ["1"], "entities": [{"customer_id": "1"}]}`, "", 400, "invalid-request", "body.entity_ids"},
	{"many entities, an unknown member", getAll, `{"entity_ids": ["1"], "feature": "vip"}`, "", 400, "invalid-json", "feature"},
	{"many entities, no features in the list", getAll, `{"entity_ids": ["1"], "features": []}`, "", 400, "invalid-json", "features"},
	{"many entities, features that are no list", getAll, `{"entity_ids": ["1"], "features": "vip"}`, "", 400, "invalid-json", "features"},
	{"many entities, ids that are no list", getAll, `{"entity_ids": "1"}`, "", 400, "invalid-json", "entity_ids"},
	{"many entities, a null id", getAll, `{"entity_ids": ["1", null]}`, "", 400, "invalid-entity", "entities[1]"},
	{"many entities, an id that is a fraction", "POST /get/driver", `{"entity_ids": [1, 1.5]}`, "", 400, "invalid-entity", "entities[1]"},
	{"many entities, a join key missing", "POST /get/shop", `{"entities": [{"shop_id": 1}]}`, "", 400, "invalid-entity", "entities[0]"},
	{"too many entities", getAll, `{"entity_ids": [` + strings.Repeat("1,", 1000) + `1], "features": ["vip"]}`, "", 413, "too-many-entities", "entities"},
	{"too many values", getAll, `{"entity_ids": [` + strings.Repeat("1,", 999) + `1]}`, "", 413, "too-many-values", "entities"},
	{"CSV in place of a read body", getAll, "customer_id\n1\n", rowsCSV, 415, "unsupported-content-type", "header.Content-Type"},
	{"Feast: an unknown feature", feast, `{"features": ["profile:vipp"], "entities": {"customer_id": ["1"]}}`, "", 404, "unknown-feature", "body.features"},
	{"Feast: an unknown service", feast, `{"feature_service": "x", "entities": {"customer_id": ["1"]}}`, "", 404, "unknown-service", "body.feature_service"},
	{"Feast: no features", feast, `{"entities": {"customer_id": ["1"]}}`, "", 400, "no-features", "body.features"},
	{"Feast: no entities", feast, `{"features": ["profile:vip"]}`, "", 400, "no-entities", "body.entities"},
	{"Feast: an unknown join key", feast, `{"features": ["profile:vip"], "entities": {"customer_id": ["1"], "x": [1]}}`, "", 422, "unknown-join-key", "body.entities.x"},
	{"Feast: a missing join key", feast, `{"features": ["profile:vip"], "entities": {"driver_id": [1]}}`, "", 422, "missing-join-key", "body.entities"},
	{"Feast: ragged columns", feast, `{"features": ["driving:trips"], "entities": {"driver_id": [1, 2], "customer_id": ["1"]}}`, "", 400, "ragged-columns", "body.entities.customer_id"},
	{"Feast: a null key", feast, `{"features": ["driving:trips"], "entities": {"driver_id": [1, null]}}`, "", 400, "invalid-entity", "entities[1]"},
	{"Feast: names that collide", feast, `{"features": ["driving:trips", "driving:trips@1"], "entities": {"driver_id": [1]}}`, "", 409, "column-taken", "body.features"},
	{"Feast: no JSON", feast, `features=x`, "", 400, "invalid-json", "body"},
	{"explain: an unknown feature", "GET /explain/customer/1/vipp", "", "", 404, "unknown-feature", "path.feature"},
	{"history of an unknown entity type", "GET /history/custmer/1", "", "", 404, "unknown-entity-type", "path.entity_type"},
}

var badTables = []badCase{
	{"an unknown group", "POST /rows/spendings", "customer_id\n1\n", rowsCSV, 404, "unknown-group", "path.group"},
	{"an export of an unknown group", "GET /rows/spendings", "", "", 404, "unknown-group", "path.group"},
	{"the newest of an event group", "GET /rows/purchases?latest=true", "", "", 422, "event-group", "features"},
	{"an empty load", load, "", rowsCSV, 400, "empty-body", "body"},
	{"no join key", load, "event_time,avg_order_value\n2026-05-01T00:00:00Z,1\n", rowsCSV, 422, "missing-column", "columns"},
	{"no feature", load, "customer_id,event_time\n1,2026-05-01T00:00:00Z\n", rowsCSV, 422, "missing-column", "columns"},
	{"an unknown column", load, "customer_id,event_time,avg\n1,2026-05-01T00:00:00Z,1\n", rowsCSV, 422, "unknown-column", "column avg"},
	{"a column twice", load, "customer_id,event_time,avg_order_value,avg_order_value\n1,2026-05-01T00:00:00Z,1,2\n", rowsCSV, 400, "invalid-csv", "header"},
	{"a column without a name", load, "customer_id,event_time,avg_order_value,\n1,2026-05-01T00:00:00Z,1,2\n", rowsCSV, 400, "invalid-csv", "header"},
	{"a time column that is not there", load + "?time_column=t", "customer_id,event_time,avg_order_value\n1,2026-05-01T00:00:00Z,1\n", rowsCSV, 422, "unknown-column", "query.time_column"},
	{"presence that is not there", load + "?presence=true", "customer_id,event_time,avg_order_value\n1,2026-05-01T00:00:00Z,1\n", rowsCSV, 422, "missing-column", "columns"},
	{"a bad value after a good row", load, "customer_id,event_time,avg_order_value\n1,2026-05-01T00:00:00Z,1\n2,2026-05-01T00:00:00Z,x\n", rowsCSV, 422, "bad-rows", "row 2, column avg_order_value"},
	{"NaN in a column", load, "customer_id,event_time,avg_order_value\n1,2026-05-01T00:00:00Z,NaN\n", rowsCSV, 422, "bad-rows", "row 1, column avg_order_value"},
	{"infinity in a column", load, "customer_id,event_time,avg_order_value\n1,2026-05-01T00:00:00Z,-inf\n", rowsCSV, 422, "bad-rows", "row 1, column avg_order_value"},
	{"a time without offset in a column", load, "customer_id,event_time,avg_order_value\n1,2026-05-01 00:00:00,1\n", rowsCSV, 422, "bad-rows", "row 1, column event_time"},
	{"a future time in a column", load, "customer_id,event_time,avg_order_value\n1,2027-05-01T00:00:00Z,1\n", rowsCSV, 422, "bad-rows", "row 1, column event_time"},
	{"an empty time in a column", load, "customer_id,event_time,avg_order_value\n1,,1\n", rowsCSV, 422, "bad-rows", "row 1, column event_time"},
	{"an empty key in a column", load, "customer_id,event_time,avg_order_value\n,2026-05-01T00:00:00Z,1\n", rowsCSV, 422, "bad-rows", "row 1, column customer_id"},
	{"a key over 512 bytes in a column", load, "customer_id,event_time,avg_order_value\n" + strings.Repeat("x", 513) + ",2026-05-01T00:00:00Z,1\n", rowsCSV, 422, "bad-rows", "row 1, column customer_id"},
	{"leading zeros of an INTEGER key", "POST /rows/driving", "driver_id,event_time,trips\n007,2026-05-01T00:00:00Z,1\n", rowsCSV, 422, "bad-rows", "row 1, column driver_id"},
	{"a row too long", load, "customer_id,event_time,avg_order_value\n1,2026-05-01T00:00:00Z,1,2\n", rowsCSV, 422, "bad-rows", "row 1"},
	{"a row too short", load, "customer_id,event_time,avg_order_value\n1,2026-05-01T00:00:00Z\n", rowsCSV, 422, "bad-rows", "row 1"},
	{"a quote left open", load, "customer_id,event_time,avg_order_value\n\"1,2026-05-01T00:00:00Z,1\n", rowsCSV, 400, "invalid-csv", "row 1"},
	{"invalid UTF-8 in a column", load, "customer_id,event_time,avg_order_value\n\xff,2026-05-01T00:00:00Z,1\n", rowsCSV, 422, "bad-rows", "row 1"},
	{"NUL in a column", load, "customer_id,event_time,avg_order_value\na\x00b,2026-05-01T00:00:00Z,1\n", rowsCSV, 422, "bad-rows", "row 1"},
	{"NDJSON with a broken line", load, `{"customer_id": "1", "event_time": "2026-05-01T00:00:00Z", "avg_order_value": 1}` + "\n{\"customer_id\": \n", ndjson, 422, "bad-rows", "row 2"},
	{"NDJSON with a member twice", load, `{"customer_id": "1", "customer_id": "2", "event_time": "2026-05-01T00:00:00Z", "avg_order_value": 1}`, ndjson, 422, "bad-rows", "row 1"},
	{"NDJSON with NaN", load, `{"customer_id": "1", "event_time": "2026-05-01T00:00:00Z", "avg_order_value": NaN}`, ndjson, 422, "bad-rows", "row 1"},
	{"JSON columns of differing lengths", load, `{"customer_id": ["1", "2"], "event_time": ["2026-05-01T00:00:00Z"], "avg_order_value": [1, 2]}`, "Content-Type: application/json", 400, "invalid-json", "event_time"},
	{"Parquet that is damaged", load, "PAR1xxxxxxxxPAR1", "", 400, "damaged-body", "body"},
	{"Parquet that is none", load, "a,b", "Content-Type: application/vnd.apache.parquet", 400, "damaged-body", "body"},
	{"an Arrow stream that is cut off", load, "\xff\xff\xff\xff\x10\x00\x00\x00", "", 400, "damaged-body", "body"},
	{"an Arrow file that is cut off", load, "ARROW1\x00\x00", "", 400, "damaged-body", "body"},
	{"an Excel file", load, "PK\x03\x04xxxxxxxxxxxx", "", 415, "unsupported-content-type", "body"},
	{"a STRING beyond a megabyte", "POST /rows/profile", "customer_id,event_time,first_name\n1,2026-05-01T00:00:00Z," + strings.Repeat("x", 1<<20+1) + "\n", rowsCSV, 422, "bad-rows", "row 1, column first_name"},
	{"an image", load, "x", "Content-Type: image/png", 415, "unsupported-content-type", "header.Content-Type"},
	{"another charset", load, "x", "Content-Type: text/csv; charset=utf-16", 415, "unsupported-content-type", "header.Content-Type"},
	{"an unknown packing", load, "x", "Content-Encoding: br", 415, "unsupported-content-encoding", "header.Content-Encoding"},
	{"gzip that is none", load, "customer_id\n1\n", "Content-Encoding: gzip", 400, "invalid-encoding", "body"},
	{"gzip that is cut off", load, gzipped("customer_id,event_time,avg_order_value\n1,2026-05-01T00:00:00Z,1\n")[:40], "Content-Encoding: gzip", 400, "invalid-encoding", "body"},
	{"a gzip bomb", load, bomb(), "Content-Encoding: gzip", 413, "body-too-large", "body"},
}

var badSpines = []badCase{
	{"no features", "POST /training-sets", `{"spine": {"customer_id": ["1"]}}`, "", 400, "no-features", "body.features"},
	{"no spine", "POST /training-sets", `{"features": ["profile:vip"]}`, "", 400, "no-spine", "body.spine"},
	{"an unknown member", "POST /training-sets", `{"features": ["profile:vip"], "spine": {}, "x": 1}`, "", 400, "invalid-json", "x"},
	{"a spine without features in the query", "POST /training-sets", "customer_id,event_time\n", rowsCSV, 400, "no-features", "query.features"},
	{"a spine without features in the query and a type", "POST /training-sets", "customer_id,event_time\n", "", 400, "no-features", "query.features"},
	{"an unknown feature for a spine", "POST /training-sets?features=nothing", "customer_id,event_time\n", rowsCSV, 404, "unknown-feature", "query.features"},
	{"an event group for a spine", "POST /training-sets?features=purchases:amount", "customer_id,event_time\n1,2026-05-01T00:00:00Z\n", rowsCSV, 422, "event-group", "features"},
	{"columns that collide", "POST /training-sets?features=driving:trips,driving:trips@1", "driver_id,event_time\n", rowsCSV, 409, "column-taken", "query.features"},
	{"an empty key of a spine", "POST " + spine, "customer_id,event_time\n,2026-05-01T00:00:00Z\n", rowsCSV, 422, "invalid-spine", "row 1, column customer_id"},
	{"a moment in words", "POST " + spine + "&known_at=yesterday", "customer_id,event_time\n", rowsCSV, 400, "invalid-known-at", "query.known_at"},
	{"a moment without offset", "POST " + spine + "&known_at=2026-05-30T00:00:00", "customer_id,event_time\n", rowsCSV, 400, "invalid-known-at", "query.known_at"},
	{"a moment that is still to come", "POST " + spine + "&known_at=2026-06-02T00:00:00Z", "customer_id,event_time\n", rowsCSV, 409, "known-at-open", "query.known_at"},
	{"the present as a moment", "POST " + spine + "&known_at=2026-06-01T12:00:00Z", "customer_id,event_time\n", rowsCSV, 409, "known-at-open", "query.known_at"},
	{"a moment beyond the horizon", "POST " + spine + "&known_at=2026-05-25T11:59:59Z", "customer_id,event_time\n", rowsCSV, 410, "beyond-horizon", "query.known_at"},
	{"a damaged token", "POST " + spine + "&known_at=AQAAAAAAAAAAAAAAAAAAAAAA", "customer_id,event_time\n", rowsCSV, 400, "invalid-known-at", "query.known_at"},
	{"a token that is no base64", "POST " + spine + "&known_at=A%2F..", "customer_id,event_time\n", rowsCSV, 400, "invalid-known-at", "query.known_at"},
	{"a long token", "POST " + spine + "&known_at=" + strings.Repeat("A", 70_000), "customer_id,event_time\n", rowsCSV, 400, "invalid-known-at", "query.known_at"},
	{"a damaged token for history", "GET /history/customer/1?known_at=AQAA", "", "", 400, "invalid-known-at", "query.known_at"},
	{"an empty spine", "POST " + spine, "", rowsCSV, 400, "empty-body", "body"},
	{"a spine without a time", "POST " + spine, "customer_id\n1\n", rowsCSV, 422, "invalid-spine", "columns"},
	{"a spine without a join key", "POST " + spine, "driver_id,event_time\n1,2026-05-01T00:00:00Z\n", rowsCSV, 422, "invalid-spine", "columns"},
	{"a spine with a column of that name", "POST " + spine, "customer_id,event_time,avg_order_value\n1,2026-05-01T00:00:00Z,1\n", rowsCSV, 409, "column-taken", "column avg_order_value"},
	{"a spine with a null key", "POST " + spine, "customer_id,event_time\n1,2026-05-01T00:00:00Z\n,2026-05-01T00:00:00Z\n", rowsCSV, 422, "invalid-spine", "row 2"},
	{"a spine with a null time", "POST " + spine, "customer_id,event_time\n1,2026-05-01T00:00:00Z\n1,\n", rowsCSV, 422, "invalid-spine", "row 2"},
	{"a spine with a time without offset", "POST " + spine, "customer_id,event_time\n1,2026-05-01T00:00:00\n", rowsCSV, 422, "invalid-spine", "row 1"},
	{"a ragged spine", "POST " + spine, "customer_id,event_time\n1,2026-05-01T00:00:00Z,x\n", rowsCSV, 422, "invalid-spine", "row 1"},
	{"a template without features", "GET /training-sets/template", "", "", 400, "no-features", "query.features"},
	{"a template of an unknown service", "GET /training-sets/template?service=x", "", "", 404, "unknown-service", "query.service"},
}

var badDefinitions = []badCase{
	{"another value type", "POST /features", `{"name": "vip", "group": "profile", "entity_type": "customer", "value_type": "STRING"}`, "", 409, "breaking-change", "value_type"},
	{"another value type for a group", "PUT /groups/profile", `{"features": [{"name": "vip", "value_type": "STRING"}]}`, "", 409, "breaking-change", "features[0].value_type"},
	{"whether to allow that is no boolean", "POST /apply?allow_breaking=1e3", `{"groups": []}`, "", 422, "invalid-request", "query.allow_breaking"},
	{"a name that another feature has", "POST /features/customer/vip/rename", `{"new_name": "address"}`, "", 422, "invalid-definition", "new_name"},
	{"a rename without a name", "POST /features/customer/vip/rename", `{}`, "", 422, "invalid-definition", "new_name"},
	{"a service of a version that there is not", "POST /services", `{"name": "s", "features": ["profile:vip@99"]}`, "", 422, "invalid-definition", "features[0]"},
	{"a page token of another list", "GET /features?search=vip&page_token=7", "", "", 400, "invalid-page-token", "query.page_token"},
	{"an unknown value type", "POST /features", `{"name": "x", "entity_type": "customer", "value_type": "DECIMAL"}`, "", 422, "invalid-definition", "value_type"},
	{"an unknown member of a feature", "POST /features", `{"name": "x", "entity_type": "customer", "value_type": "FLOAT", "colour": "red"}`, "", 422, "invalid-definition", "colour"},
	{"a name with SQL", "POST /features", `{"name": "x; DROP TABLE y", "entity_type": "customer", "value_type": "FLOAT"}`, "", 422, "invalid-definition", "name"},
	{"a join key of another type", "POST /apply", `{"entity_types": [{"name": "customer", "join_keys": [{"name": "customer_id", "value_type": "INTEGER"}]}]}`, "", 409, "breaking-change", "join_keys"},
	{"an apply that contradicts itself", "POST /apply", `{"groups": [{"name": "a", "entity_type": "customer"}, {"name": "a", "entity_type": "shop"}]}`, "", 422, "invalid-definition", "groups[1]"},
	{"an apply with one bad definition of two", "POST /apply", `{"groups": [{"name": "fresh", "entity_type": "customer"}, {"name": "Bad", "entity_type": "customer"}]}`, "", 422, "invalid-definition", "groups[1].name"},
	{"an apply of a service without its features", "POST /apply", `{"services": [{"name": "s", "features": ["nothing:x"]}]}`, "", 422, "invalid-definition", "services[0].features"},
	{"an If-Match of another version", "PUT /groups/profile", `{"entity_type": "customer"}`, `If-Match: "99"`, 412, "changed-meanwhile", "header.If-Match"},
	{"an unknown run", "GET /runs/999999", "", "", 404, "unknown-run", "id"},
}

func gzipped(text string) string {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	w.Write([]byte(text))
	w.Close()
	return b.String()
}

// bomb is 300 KB that unpack to 100 MB. Packed files can be put behind each other.
func bomb() string {
	return gzipped("customer_id,event_time,avg_order_value\n") + strings.Repeat(gzipped(strings.Repeat("1,2026-05-01T00:00:00Z,1\n", 40_000)), 100)
}

// Every mistake is answered by a problem that says what and where, and changes nothing.
func TestBadInput(t *testing.T) {
	require.GreaterOrEqual(t, len(badCases), 100)
	s := serve(t, func(c *store.Config) {
		c.MaxBodyBytes, c.MaxRows, c.MaxEntities, c.MaxValues = 64<<10, 100, 1000, 5000
	})
	s.Run(t, "testdata/http/1_storing.txt")
	archived := s.Call(t, "POST /features", `{"name": "retired", "group": "profile", "entity_type": "customer", "value_type": "INTEGER"}`)
	require.Equal(t, 201, archived.Status, archived.Body)
	archived = s.Call(t, "POST /features/customer/profile:retired/archive", "")
	require.Equal(t, 200, archived.Status, archived.Body)

	before := s.dump(t)
	for _, c := range badCases {
		t.Run(c.name, func(t *testing.T) {
			var headers []string
			if c.headers != "" {
				headers = strings.Split(c.headers, "|")
			}
			answer := s.Call(t, c.request, c.body, headers...)
			require.Equal(t, c.status, answer.Status, answer.Body)
			require.Equal(t, "application/problem+json", answer.Header.Get("Content-Type"))
			var problem struct {
				Type       string
				Title      string
				Status     int
				Detail     string
				Violations []fault.Violation
			}
			require.NoError(t, json.Unmarshal([]byte(answer.Body), &problem))
			require.Equal(t, "urn:featurestore:problem:"+c.slug, problem.Type, answer.Body)
			require.Equal(t, c.status, problem.Status)
			require.NotEmpty(t, problem.Title)
			require.Greater(t, len(problem.Detail), 10, "a sentence")
			require.NotEmpty(t, problem.Violations, answer.Body)
			require.True(t, slices.ContainsFunc(problem.Violations, func(v fault.Violation) bool {
				return strings.Contains(v.Location, c.at) && v.Message != ""
			}), "no violation at %s: %s", c.at, answer.Body)
			require.Equal(t, before, s.dump(t), "state has changed")
		})
	}
	good := s.Call(t, storeOne, `{"vip": true}`)
	require.Equal(t, 200, good.Status, good.Body)
	require.NotEqual(t, before, s.dump(t), "the dump notices what is stored")
}
