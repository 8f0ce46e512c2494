// Package serving has what the server programs share: how they listen, how many
// connections there is room for, and how they say where they are.
package serving
