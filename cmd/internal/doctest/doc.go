// Package doctest tests the documentation. Its tests run every block of code in every Markdown file and every doc comment as
// it is written: shell commands and programs in a network namespace of their own, so that port 8080 is free, and JavaScript
// in Chromium and in Node. The output must be the output on the page. A block that no test can run or check is an error.
//
// Commands that take minutes run in a shortened form; shorten has the list.
package doctest
