//go:build !linux

package app

func returnProgram() {}
