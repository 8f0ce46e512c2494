// Package strictjson reads JSON that strangers have written, as RFC 8259 has it and
// encoding/json does not: names of members differ by case ("Topic" is not "topic"), and
// 5.0 is a whole number. It has three rules of its own:
//
//   - A value is nested at most [MaxDepth] levels deep, so that it can be put into an
//     envelope, and read again by everybody.
//   - Text is UTF-8, and a string that is decoded has no lone surrogate such as "\ud800":
//     encoding/json replaces it by U+FFFD, so that two names become one. A value that is
//     passed on as it is may have one.
//   - Of members with the same name the last counts, as in JavaScript.
//
// [Check] and the iteration by [Object] and [Array] are one pass over the input and
// allocate nothing, but for errors and names that have escapes.
package strictjson
