// Package arch holds the house rules that a linter does not know, as tests:
// which package may import which, which calls live in one home only, and what
// every package and file owes its reader.
//
// The tests parse source files; they do not build or load packages, so they
// are quick, they work on code that does not compile yet, and the test cache
// notices when a file changes. Each rule carries its reason, which is part of
// the failure message. To change the shape of the program, change the table in
// arch_test.go and docs/architecture.md in the same commit.
package arch
