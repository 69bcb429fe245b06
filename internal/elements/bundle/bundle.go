// Package bundle builds the browser library's files out of their TypeScript
// sources. The built files are committed, so that building the product takes Go
// alone; a test checks that they are current.
package bundle

import (
	"fmt"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

// entries are the files to build and what they are built from.
var entries = map[string]string{
	"library.js": "src/facade/main.ts",
	"frame.js":   "src/frame/main.ts",
	"frame.css":  "src/frame/frame.css",
}

// Build bundles the sources below dir; it returns the content of each file.
func Build(dir string) (map[string][]byte, error) {
	abs, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for name, entry := range entries {
		r := api.Build(api.BuildOptions{
			AbsWorkingDir: abs, EntryPoints: []string{entry}, Bundle: true, Target: api.ES2018, Format: api.FormatIIFE,
			MinifyWhitespace: true, MinifyIdentifiers: true, MinifySyntax: true, Charset: api.CharsetUTF8, LegalComments: api.LegalCommentsNone,
			Outfile: name, LogLevel: api.LogLevelSilent, Supported: map[string]bool{"nesting": false},
		})
		if len(r.Errors) > 0 {
			e := r.Errors[0]
			if e.Location != nil {
				return nil, fmt.Errorf("%s:%d:%d: %s", e.Location.File, e.Location.Line, e.Location.Column, e.Text)
			}
			return nil, fmt.Errorf("%s: %s", entry, e.Text)
		}
		files[name] = r.OutputFiles[0].Contents
	}
	return files, nil
}
