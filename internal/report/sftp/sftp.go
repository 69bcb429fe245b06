// Package sftp serves a merchant's reports over SFTP, read-only. A user logs in
// with a password or a key that was registered for them and sees the files of
// that merchant alone. Everything but listing and reading is refused: no shell,
// no forwarding, no writing.
package sftp

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/ducatpay/ducat/internal/clock"
	"github.com/ducatpay/ducat/internal/report"
	"github.com/ducatpay/ducat/internal/store"
)

// Limits of the server.
const (
	connectionsMax   = 64
	handshakeTimeout = 20 * time.Second
	idleTimeout      = 15 * time.Minute
	authTriesMax     = 3
)

// hostKeySetting is where the installation keeps its host key.
const hostKeySetting = "reports.host_key"

// Server serves reports.
type Server struct {
	Store store.Store
	Clock clock.Clock
	Log   *slog.Logger
}

// HostKey returns the installation's host key, making one if there is none; all
// nodes agree on it.
func HostKey(ctx context.Context, s store.Store) (ssh.Signer, error) {
	_, made, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	proposal, err := x509.MarshalPKCS8PrivateKey(made)
	if err != nil {
		return nil, err
	}
	der, err := s.Setting(ctx, hostKeySetting, proposal)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKCS8PrivateKey(der)
	if err != nil {
		return nil, fmt.Errorf("the host key: %w", err)
	}
	return ssh.NewSignerFromKey(key)
}

// Serve accepts connections until ctx ends, then closes them.
func (s *Server) Serve(ctx context.Context, ln net.Listener) error {
	host, err := HostKey(ctx, s.Store)
	if err != nil {
		return err
	}
	config := s.config(ctx, host)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer context.AfterFunc(ctx, func() { _ = ln.Close() })()
	free := make(chan struct{}, connectionsMax)
	for {
		conn, err := ln.Accept()
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("sftp: %w", err)
		}
		select {
		case free <- struct{}{}:
		default:
			_ = conn.Close() // more would only slow the others down
			continue
		}
		wg.Go(func() {
			defer func() { <-free }()
			defer context.AfterFunc(ctx, func() { _ = conn.Close() })()
			if err := s.serve(ctx, conn, config); err != nil && ctx.Err() == nil {
				s.Log.Info("sftp connection ended", "error", err)
			}
		})
	}
}

const merchantExtension = "merchant"

// config admits users whose password or key is a credential for reports.
func (s *Server) config(ctx context.Context, host ssh.Signer) *ssh.ServerConfig {
	admit := func(hash []byte) (*ssh.Permissions, error) {
		c, err := s.Store.Credential(ctx, hash)
		if err != nil || c.Kind != report.AccessKind || c.Revoked {
			return nil, errors.New("unknown user, password or key")
		}
		return &ssh.Permissions{Extensions: map[string]string{merchantExtension: strconv.FormatInt(c.Merchant, 10)}}, nil
	}
	config := &ssh.ServerConfig{
		MaxAuthTries: authTriesMax, ServerVersion: "SSH-2.0-ducat",
		PasswordCallback: func(c ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			return admit(report.PasswordHash(c.User(), string(password)))
		},
		PublicKeyCallback: func(c ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			return admit(report.KeyHash(c.User(), key))
		},
	}
	config.AddHostKey(host)
	return config
}

func (s *Server) serve(ctx context.Context, conn net.Conn, config *ssh.ServerConfig) error {
	defer conn.Close()
	_ = conn.SetDeadline(s.Clock.Now().Add(handshakeTimeout))
	secure, channels, requests, err := ssh.NewServerConn(conn, config)
	if err != nil {
		return fmt.Errorf("handshake: %w", err)
	}
	defer secure.Close()
	go ssh.DiscardRequests(requests)
	merchantID, err := strconv.ParseInt(secure.Permissions.Extensions[merchantExtension], 10, 64)
	if err != nil {
		return err
	}
	for offered := range channels {
		if offered.ChannelType() != "session" {
			_ = offered.Reject(ssh.UnknownChannelType, "only sessions")
			continue
		}
		channel, asked, err := offered.Accept()
		if err != nil {
			return err
		}
		go func() {
			// Nothing but the file subsystem is served.
			for r := range asked {
				ok := r.Type == "subsystem" && len(r.Payload) >= 4 && string(r.Payload[4:]) == "sftp"
				_ = r.Reply(ok, nil)
				if ok {
					s.session(ctx, idle{channel, conn, s.Clock}, merchantID)
				}
			}
		}()
	}
	return nil
}

// idle moves the connection's deadline on with every byte.
type idle struct {
	ssh.Channel
	conn  net.Conn
	clock clock.Clock
}

// Read implements io.Reader.
func (c idle) Read(b []byte) (int, error) {
	_ = c.conn.SetDeadline(c.clock.Now().Add(idleTimeout))
	return c.Channel.Read(b)
}

func (s *Server) session(ctx context.Context, channel io.ReadWriteCloser, merchantID int64) {
	h := handler{ctx: ctx, store: s.Store, merchant: merchantID}
	server := sftp.NewRequestServer(channel, sftp.Handlers{FileGet: h, FilePut: h, FileCmd: h, FileList: h})
	if err := server.Serve(); err != nil && !errors.Is(err, io.EOF) {
		s.Log.Info("sftp session ended", "error", err)
	}
	_ = server.Close()
	_ = channel.Close()
}

// handler answers one session's requests.
type handler struct {
	ctx      context.Context
	store    store.Store
	merchant int64
}

// Fileread implements sftp.FileReader.
func (h handler) Fileread(r *sftp.Request) (io.ReaderAt, error) {
	var f report.File
	err := h.store.View(h.ctx, h.merchant, func(rd store.Reader) (err error) {
		f, err = report.Find(rd, r.Filepath)
		return err
	})
	if err != nil {
		return nil, sftp.ErrSSHFxNoSuchFile
	}
	return strings.NewReader(string(f.Data)), nil
}

// Filewrite implements sftp.FileWriter: nothing is written.
func (handler) Filewrite(*sftp.Request) (io.WriterAt, error) {
	return nil, sftp.ErrSSHFxPermissionDenied
}

// Filecmd implements sftp.FileCmder: nothing is changed.
func (handler) Filecmd(*sftp.Request) error { return sftp.ErrSSHFxPermissionDenied }

// Filelist implements sftp.FileLister.
func (h handler) Filelist(r *sftp.Request) (sftp.ListerAt, error) {
	var files []report.File
	if err := h.store.View(h.ctx, h.merchant, func(rd store.Reader) (err error) {
		files, err = report.Files(rd)
		return err
	}); err != nil {
		return nil, err
	}
	name := path.Clean("/" + r.Filepath)
	switch r.Method {
	case "List":
		entries := list(files, name)
		if entries == nil && name != "/" {
			return nil, sftp.ErrSSHFxNoSuchFile
		}
		return lister(entries), nil
	case "Stat":
		if e, ok := stat(files, name); ok {
			return lister{e}, nil
		}
		return nil, sftp.ErrSSHFxNoSuchFile
	}
	return nil, sftp.ErrSSHFxOpUnsupported
}

// list returns what a directory holds: files, and the directories on the way to
// files further down.
func list(files []report.File, dir string) []fs.FileInfo {
	seen := map[string]int{}
	var entries []fs.FileInfo
	for _, f := range files {
		rest, ok := strings.CutPrefix(f.Path, strings.TrimSuffix(dir, "/")+"/")
		if !ok {
			continue
		}
		name, _, below := strings.Cut(rest, "/")
		e := info{name: name, dir: below, size: int64(len(f.Data)), at: f.Created}
		if i, ok := seen[name]; ok {
			entries[i] = e // a directory is as new as the newest in it
			continue
		}
		seen[name] = len(entries)
		entries = append(entries, e)
	}
	return entries
}

func stat(files []report.File, name string) (fs.FileInfo, bool) {
	if i := slices.IndexFunc(files, func(f report.File) bool { return f.Path == name }); i >= 0 {
		return info{name: path.Base(name), size: int64(len(files[i].Data)), at: files[i].Created}, true
	}
	if name == "/" || list(files, name) != nil {
		return info{name: path.Base(name), dir: true}, true
	}
	return nil, false
}

type lister []fs.FileInfo

// ListAt implements sftp.ListerAt.
func (l lister) ListAt(to []fs.FileInfo, offset int64) (int, error) {
	if offset >= int64(len(l)) {
		return 0, io.EOF
	}
	n := copy(to, l[offset:])
	if n < len(to) {
		return n, io.EOF
	}
	return n, nil
}

// info is a file or a directory as it is listed.
type info struct {
	name string
	dir  bool
	size int64
	at   time.Time
}

func (i info) Name() string       { return i.name }
func (i info) ModTime() time.Time { return i.at }
func (i info) IsDir() bool        { return i.dir }
func (i info) Sys() any           { return nil }

func (i info) Size() int64 {
	if i.dir {
		return 0
	}
	return i.size
}

func (i info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o555
	}
	return 0o444
}
