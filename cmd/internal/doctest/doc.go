// Package doctest holds the documentation to its word. Its tests take every block of code
// out of every README, every page below docs, and every doc comment, and run it as it is
// written: shell commands and programs in a network namespace of their own, so that port
// 8080 is free, JavaScript in Chromium and in Node. Output that a page shows must come; a
// block that none of the tests knows how to run or to check is an error.
//
// Commands that take minutes run in a shortened form; shorten says which, and how.
package doctest
