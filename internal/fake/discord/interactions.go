package discord

import "net/http"

type Interaction struct{}

func (i *Interaction) stop() {}

func (s *Server) getCommands(w http.ResponseWriter, r *request)    {}
func (s *Server) putCommands(w http.ResponseWriter, r *request)    {}
func (s *Server) callback(w http.ResponseWriter, r *request)       {}
func (s *Server) followup(w http.ResponseWriter, r *request)       {}
func (s *Server) getOriginal(w http.ResponseWriter, r *request)    {}
func (s *Server) editOriginal(w http.ResponseWriter, r *request)   {}
func (s *Server) deleteOriginal(w http.ResponseWriter, r *request) {}
