// Package pattern has regular expressions that are compiled when they are first
// used: a program that starts often has no time for those that it does not use.
//
//	var digest = pattern.New(`^sha256:[0-9a-f]{64}$`)
package pattern

import (
	"regexp"
	"sync"
)

// Regexp is a regular expression. It is the same to use from several goroutines.
type Regexp struct {
	text    string
	compile func() *regexp.Regexp
}

// New is an expression in the syntax of package regexp. One that is wrong panics
// when it is used.
func New(text string) *Regexp {
	return &Regexp{text, sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(text) })}
}

func (r *Regexp) String() string { return r.text }

// The methods of [regexp.Regexp].

func (r *Regexp) MatchString(s string) bool            { return r.compile().MatchString(s) }
func (r *Regexp) FindString(s string) string           { return r.compile().FindString(s) }
func (r *Regexp) FindStringIndex(s string) []int       { return r.compile().FindStringIndex(s) }
func (r *Regexp) FindStringSubmatch(s string) []string { return r.compile().FindStringSubmatch(s) }
func (r *Regexp) FindSubmatch(b []byte) [][]byte       { return r.compile().FindSubmatch(b) }
func (r *Regexp) ReplaceAllString(s, repl string) string {
	return r.compile().ReplaceAllString(s, repl)
}
func (r *Regexp) ReplaceAllLiteralString(s, repl string) string {
	return r.compile().ReplaceAllLiteralString(s, repl)
}
func (r *Regexp) FindAll(b []byte, n int) [][]byte       { return r.compile().FindAll(b, n) }
func (r *Regexp) FindAllString(s string, n int) []string { return r.compile().FindAllString(s, n) }
func (r *Regexp) FindAllStringSubmatch(s string, n int) [][]string {
	return r.compile().FindAllStringSubmatch(s, n)
}
func (r *Regexp) ReplaceAllStringFunc(s string, repl func(string) string) string {
	return r.compile().ReplaceAllStringFunc(s, repl)
}
