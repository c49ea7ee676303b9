// Package chaos kills operations of the library at every write that they send to the API server, cancels them and disturbs
// them at every request, and lets many processes carry them out at once. It checks that they end as they should and that the
// next apply finishes them. It has tests only:
//
//	make test-chaos                # every point; Go's race detector watches those where goroutines meet, if there is a C compiler
//	go test ./test/chaos           # a few of them, as `make test` does
//
// A point is one operation of one engine, disturbed once. One store lives through a point of its create, of its update and of its
// delete. The process that is killed is a real one, by SIGKILL: the test binary starts itself anew as the victim. Other packages of
// storeplatform are used as a program uses them, but for the record of a store, which is read as it is.
package chaos
