// Package fair shares resources fairly between owners, such as users or addresses: an owner that
// wants more does not get more turns.
//
// A [Queue] returns values of its owners in turn. A [Semaphore] admits a limited number of holders,
// in that order. A [Limiter] limits a rate. Each of them has a limit per owner and one in total.
package fair
