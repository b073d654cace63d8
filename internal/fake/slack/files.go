// File uploads in Slack's three steps.

package slack

import (
	"encoding/json"
	"io"
	"maps"
	"mime/multipart"
	"net/http"
	"slices"
	"strconv"
)

type upload struct {
	file    File
	app     string
	want    int
	done    bool
	deleted bool
}

func (s *Server) uploadURL(c call) (map[string]any, error) {
	n, err := strconv.Atoi(c.args["length"])
	if err != nil || n <= 0 {
		return nil, fail("invalid_arguments", "length")
	}
	id := s.newID("F")
	s.uploads[id] = &upload{file: File{ID: id, Name: c.args["filename"]}, app: c.app.ID, want: n}
	return map[string]any{"upload_url": s.base + "/upload/" + id, "file_id": id}, nil
}

func (s *Server) serveUpload(w http.ResponseWriter, r *http.Request) {
	var data []byte
	var err error
	if part, _, formErr := r.FormFile("file"); formErr == nil {
		defer func(p multipart.File) { _ = p.Close() }(part)
		data, err = io.ReadAll(part)
	} else {
		data, err = io.ReadAll(r.Body)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.uploads[r.PathValue("file")]
	if u == nil || err != nil || len(data) != u.want {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	u.file.Data, u.file.Size, u.done = data, int64(len(data)), true
	_, _ = io.WriteString(w, "OK - "+strconv.Itoa(len(data)))
}

func (s *Server) completeUpload(c call) (map[string]any, error) {
	var files []struct {
		ID    string `json:"id"`
		Title string `json:"title"`
	}
	if json.Unmarshal([]byte(c.args["files"]), &files) != nil || len(files) == 0 {
		return nil, fail("invalid_arguments", "files")
	}
	m := &Message{User: c.app.BotUser, App: c.app.ID, Text: c.args["initial_comment"], ThreadTS: c.args["thread_ts"]}
	out := []any{}
	for _, f := range files {
		u := s.uploads[f.ID]
		if u == nil || !u.done || u.deleted || u.app != c.app.ID {
			return nil, fail("file_not_found")
		}
		m.Files = append(m.Files, u.file)
		out = append(out, map[string]any{"id": f.ID, "title": f.Title})
	}
	if id := c.args["channel_id"]; id != "" {
		ch, err := s.reach(c, id)
		if err != nil {
			return nil, err
		}
		if !ch.has(c.app) {
			return nil, fail("not_in_channel")
		}
		m.Channel = ch.ID
		s.add(m)
	}
	return map[string]any{"files": out}, nil
}

// deleteFile takes a file's bytes away. The message that shows it stays, with
// its comment, and shows a tombstone instead.
func (s *Server) deleteFile(c call) (map[string]any, error) {
	u := s.uploads[c.args["file"]]
	switch {
	case u == nil:
		return nil, fail("file_not_found")
	case u.deleted:
		return nil, fail("file_deleted")
	case u.app != c.app.ID:
		return nil, fail("cant_delete_file")
	}
	u.deleted, u.file.Data = true, nil
	for _, m := range s.messages {
		for k := range m.Files {
			if m.Files[k].ID == u.file.ID {
				m.Files[k] = File{ID: u.file.ID, Deleted: true}
			}
		}
	}
	return map[string]any{}, nil
}

// Uploads are the files that apps uploaded and did not delete, by id.
func (s *Server) Uploads() []File {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []File
	for _, id := range slices.Sorted(maps.Keys(s.uploads)) {
		if u := s.uploads[id]; u.done && !u.deleted {
			out = append(out, u.file)
		}
	}
	return out
}
