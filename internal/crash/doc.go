// Package crash kills the running server under load, again and again, and looks
// whether it kept its word. Its tests build the program, let a merchant's shop
// take payments through it over plain HTTP, send it SIGKILL at random moments,
// also while it starts, and restart it on the same database. In the end every
// acknowledged object must be there, nothing may be there twice, every message
// must have arrived, and the books must balance.
//
// Killing the process leaves what the operating system had been given; the
// power going off does not, and is left to the databases' own word.
package crash
