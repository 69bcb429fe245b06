//go:build ignore

// Builds the files in dist: go generate ./internal/elements.
package main

import (
	"log"
	"os"
	"path/filepath"

	"github.com/ducatpay/ducat/internal/elements/bundle"
)

func main() {
	files, err := bundle.Build(".")
	if err != nil {
		log.Fatal(err)
	}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join("dist", name), content, 0o644); err != nil {
			log.Fatal(err)
		}
	}
}
