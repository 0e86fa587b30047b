// Package browser holds the tests of the admin page in a real browser. It has no other code.
package browser
