// The shapes in which services report errors before a stream begins.

package openai

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
)

// errorShape writes an error in a service's form. Code names it in OpenAI's
// words; param is the request field it is about, if any.
type errorShape func(w http.ResponseWriter, status int, code, message, param string)

func (e errorShape) status(w http.ResponseWriter, status int, code, message string) {
	if message == "" {
		message = http.StatusText(status)
	}
	e(w, status, code, message, "")
}

func (e errorShape) auth(w http.ResponseWriter) {
	e(w, http.StatusUnauthorized, "invalid_api_key", "Incorrect API key provided.", "")
}

func (e errorShape) model(w http.ResponseWriter, model string) {
	e(w, http.StatusNotFound, "model_not_found", fmt.Sprintf("The model `%s` does not exist or you do not have access to it.", model), "model")
}

func (e errorShape) path(w http.ResponseWriter, r *http.Request) {
	e(w, http.StatusNotFound, "", "Invalid URL ("+r.Method+" "+r.URL.Path+")", "")
}

func (e errorShape) param(w http.ResponseWriter, field, instead, message string) {
	if message == "" {
		message = fmt.Sprintf("Unsupported parameter: '%s' is not supported with this model.", field)
		if instead != "" {
			message += fmt.Sprintf(" Use '%s' instead.", instead)
		}
	}
	e(w, http.StatusBadRequest, "unsupported_parameter", message, field)
}

func (e errorShape) value(w http.ResponseWriter, field, why string) {
	e(w, http.StatusBadRequest, "unsupported_value", why, field)
}

func orNull(s string) any {
	if s == "" {
		return json.RawMessage("null")
	}
	return s
}

// nestedError is OpenAI's own shape.
func nestedError(w http.ResponseWriter, status int, code, message, param string) {
	writeJSON(w, status, map[string]any{"error": map[string]any{"message": message, "type": "invalid_request_error", "param": orNull(param), "code": orNull(code)}})
}

// codedError has the status as an integer code: vLLM, llama.cpp, LocalAI.
func codedError(w http.ResponseWriter, status int, _, message, param string) {
	kind := "BadRequestError"
	if status == http.StatusNotFound {
		kind = "NotFoundError"
	}
	writeJSON(w, status, map[string]any{"error": map[string]any{"message": message, "type": kind, "param": orNull(param), "code": status}})
}

// stringCodeError has the status as a string: LiteLLM.
func stringCodeError(w http.ResponseWriter, status int, _, message, _ string) {
	writeJSON(w, status, map[string]any{"error": map[string]any{"message": message, "type": json.RawMessage("null"), "param": json.RawMessage("null"), "code": strconv.Itoa(status)}})
}

// flatError is vLLM's before 0.10.
func flatError(w http.ResponseWriter, status int, _, message, _ string) {
	writeJSON(w, status, map[string]any{"object": "error", "message": message, "type": "BadRequestError", "param": json.RawMessage("null"), "code": status})
}

// tgiError knows 422 where others say 400.
func tgiError(w http.ResponseWriter, status int, _, message, _ string) {
	if status == http.StatusBadRequest {
		status = http.StatusUnprocessableEntity
	}
	writeJSON(w, status, map[string]any{"error": message, "error_type": "validation"})
}

// plainStringError is LM Studio's.
func plainStringError(w http.ResponseWriter, status int, _, message, _ string) {
	writeJSON(w, status, map[string]any{"error": message})
}

// ollamaError answers unknown paths in plain text.
func ollamaError(w http.ResponseWriter, status int, code, message, param string) {
	if status == http.StatusNotFound && code == "" {
		http.Error(w, "404 page not found", status)
		return
	}
	writeJSON(w, status, map[string]any{"error": map[string]any{"message": message, "type": "api_error", "param": json.RawMessage("null"), "code": json.RawMessage("null")}})
}

func cloudflareError(w http.ResponseWriter, status int, _, message, _ string) {
	writeJSON(w, status, map[string]any{"result": json.RawMessage("null"), "success": false, "errors": []any{map[string]any{"code": 7009, "message": message}}, "messages": []any{}})
}

// azureError names deployments, not models.
func azureError(w http.ResponseWriter, status int, code, message, param string) {
	switch {
	case status == http.StatusUnauthorized:
		code, message = "401", "Access denied due to invalid subscription key or wrong API endpoint. Make sure to provide a valid key for an active subscription and use a correct regional API endpoint for your resource."
	case code == "model_not_found":
		code, message = "DeploymentNotFound", "The API deployment for this resource does not exist."
	}
	writeJSON(w, status, map[string]any{"error": map[string]any{"code": code, "message": message, "param": orNull(param)}})
}

// openrouterError tells a failure behind it with status 200.
func openrouterError(w http.ResponseWriter, status int, _, message, _ string) {
	sent := status
	if status >= 500 {
		sent = http.StatusOK
	}
	writeJSON(w, sent, map[string]any{"error": map[string]any{"message": message, "code": status}})
}

// xaiError has the words in "error" and 400 for a wrong key.
func xaiError(w http.ResponseWriter, status int, code, message, _ string) {
	if code == "invalid_api_key" {
		status = http.StatusBadRequest
		message = "Incorrect API key provided: xa***ey. You can obtain an API key from https://console.x.ai."
	}
	writeJSON(w, status, map[string]any{"code": "Client specified an invalid argument", "error": message})
}

func anthropicError(w http.ResponseWriter, status int, code, message, _ string) {
	kind := "invalid_request_error"
	if code == "invalid_api_key" {
		kind, message = "authentication_error", "invalid x-api-key"
	}
	writeJSON(w, status, map[string]any{"error": map[string]any{"code": orNull(code), "message": message, "type": kind, "param": json.RawMessage("null")}})
}

// geminiError is Google's, in a list.
func geminiError(w http.ResponseWriter, status int, code, message, _ string) {
	if code == "invalid_api_key" {
		status, message = http.StatusBadRequest, "API key not valid. Please pass a valid API key."
	}
	writeJSON(w, status, []any{map[string]any{"error": map[string]any{"code": status, "message": message, "status": "INVALID_ARGUMENT"}}})
}

// mistralError is FastAPI's validation error for what it does not take, with
// the refused input in it.
func mistralError(w http.ResponseWriter, status int, code, message, param string) {
	if code == "unsupported_parameter" {
		writeJSON(w, http.StatusUnprocessableEntity, map[string]any{"object": "error", "type": "invalid_request_error", "param": json.RawMessage("null"), "code": json.RawMessage("null"),
			"message": map[string]any{"detail": []any{map[string]any{"type": "extra_forbidden", "loc": []any{"body", param}, "msg": "Extra inputs are not permitted", "input": true}}}})
		return
	}
	if status == http.StatusUnauthorized {
		writeJSON(w, status, map[string]any{"detail": "Unauthorized"})
		return
	}
	kind := "invalid_request_error"
	if code == "model_not_found" {
		status, kind, message = http.StatusBadRequest, "invalid_model", "Invalid model: no-such-model"
	}
	writeJSON(w, status, map[string]any{"object": "error", "message": message, "type": kind, "param": json.RawMessage("null"), "code": "1500"})
}
