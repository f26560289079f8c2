//go:build engine

package main

import (
	"io"
	"net/http"
	"testing"
)

func httpBody(url string) string {
	answer, err := http.Get(url)
	if err != nil {
		return ""
	}
	defer answer.Body.Close()
	body, _ := io.ReadAll(answer.Body)
	return string(body)
}
func imageDelivered(t *testing.T, s *shop)  {}
func imageDockerfile(t *testing.T, s *shop) {}
func imageFaults(t *testing.T, s *shop)     {}
func imageKilled(t *testing.T, s *shop)     {}
func imageFullDisk(t *testing.T, s *shop)   {}
func imageClosed(t *testing.T, s *shop)     {}
