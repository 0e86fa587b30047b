// Package faults holds tests only. They run the program and its servers as processes, end them with SIGKILL under load, and look
// whether everything that was acknowledged is found again. Each test that finds nothing wrong has a control beside it: the same
// test against something that does break the promise, which must be noticed.
package faults
