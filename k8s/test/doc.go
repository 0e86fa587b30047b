// Package test holds what is deployed to account: the manifests and their overlays, compose.yaml, the scripts that deploy, and the image. It
// is a module of its own, so that the libraries that read manifests are none of the program's.
//
// The program under test is FEATURESTORE_TEST_BINARY, or built; PostgreSQL and Redis are those of FEATURESTORE_TEST_POSTGRES_URL and
// FEATURESTORE_TEST_REDIS_URL, as scripts/test sets them.
package test
