// Command tiny does nothing. How long it takes to start and to reap is what a Go process costs at least.
package main

func main() {}
