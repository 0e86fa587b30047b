// Package storetest holds every engine to the same promises. It has
//
//   - suites of the contracts of store.Offline and store.Online, where each sentence of the interfaces is a test (RunOffline,
//     RunOnline);
//   - the rules of time by readable scripts (testdata/*.test, language in script.go) and by random histories against a
//     brute-force oracle (oracle.go), on a whole store over a pair of engines; every question is asked in every way in which it can be
//     asked, and all must agree (RunStore);
//   - the proof that newer wins under concurrent writers, with a control that shows what it guards against.
//
// A new engine is one call into each of them: see engines_test.go.
package storetest
