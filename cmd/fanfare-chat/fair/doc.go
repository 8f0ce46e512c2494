// Package fair shares what is scarce among owners, such as users or addresses: nobody gets
// more than a turn by wanting more.
//
// A [Queue] holds what is wanted and gives one of each owner in turn, a [Semaphore] lets so many
// in at a time in that order, and a [Limiter] says how often. All have a limit for each owner
// and one in total.
package fair
