// Package local is the engine that computes in this process.
package local
