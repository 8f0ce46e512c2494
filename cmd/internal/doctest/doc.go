// Package doctest tests the documentation. Its tests run every block of code in every Markdown file and every doc comment as
// it is written: shell commands and programs in a network namespace of their own, so that port 8080 is free, JavaScript in
// Chromium and in Node, and exchanges of fanfare.v1 with the server program. The output must be the output on the page. A
// block that no test can run or check is an error. Other tests follow the links between pages, and compare tables with the
// code.
//
// Commands that take minutes run in a shortened form; shorten has the list.
package doctest
