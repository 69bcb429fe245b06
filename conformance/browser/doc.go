// Package browser drives a running ducat from real pages in Chromium: checkouts
// as shops have written them, on an origin of their own, that load the browser
// library from the server. It is a client of the whole program.
package browser
