// What Slack's refusals mean: slow down, never, or try again.

package slack

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/slack-go/slack"

	"parley/internal/chat"
)

// restBetween is how long to wait when Slack says "too much" and not until when.
const restBetween = time.Second

// classify turns an error of the Web API into *chat.RateLimited, *chat.Refusal
// or an error that may be retried. No result holds the token.
func (c *client) classify(err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return c.secrets.Error(err)
	}
	if e, ok := errors.AsType[*slack.RateLimitedError](err); ok {
		return &chat.RateLimited{After: max(e.RetryAfter, restBetween)}
	}
	if e, ok := errors.AsType[slack.StatusCodeError](err); ok {
		said := fmt.Errorf("HTTP %d", e.Code)
		switch e.Code {
		case http.StatusTooManyRequests:
			return &chat.RateLimited{After: restBetween}
		case http.StatusUnauthorized: // of a proxy or a stand-in: Slack's own refusals are words
			return &chat.Refusal{Reason: chat.NoAccess, Err: said}
		case http.StatusNotFound: // no method of Slack's is ever missing: something else answers there
			return &chat.Refusal{Reason: chat.Invalid, Err: said}
		}
		return said
	}
	e, ok := errors.AsType[slack.SlackErrorResponse](err)
	if !ok {
		return c.secrets.Error(err)
	}
	switch e.Err {
	case "ratelimited", "rate_limited":
		return &chat.RateLimited{After: restBetween}
	case "message_limit_exceeded": // the whole workspace sends too much
		return &chat.RateLimited{After: 30 * time.Second}
	}
	said := errors.New(c.secrets.Text(describe(e)))
	if reason, final := refusal(e.Err); final {
		return &chat.Refusal{Reason: reason, Err: said}
	}
	return said
}

// describe is Slack's error word with what it adds: the fields it did not like,
// the scope it misses.
func describe(e slack.SlackErrorResponse) string {
	out := e.Err
	if e.Needed != "" {
		out += " (needs " + e.Needed + ")"
	}
	if len(e.ResponseMetadata.Messages) > 0 {
		out += ": " + strings.Join(e.ResponseMetadata.Messages, "; ")
	}
	return out
}

// refusal says whether a Slack error word is a permanent no, and why. The words
// are those of the methods' own error lists.
func refusal(word string) (chat.Reason, bool) {
	switch word {
	case "message_not_found", "cant_update_message", "cannot_reply_to_message", "thread_not_found", "message_not_owned_by_app", "file_not_found", "file_deleted":
		return chat.Gone, true
	case "edit_window_closed":
		return chat.EditClosed, true
	case "msg_too_long", "msg_blocks_too_long", "msg_blocks_too_many", "attachment_payload_limit_exceeded":
		return chat.TooLong, true
	case "fatal_error", "internal_error", "request_timeout", "service_unavailable", "team_added_to_org",
		"external_channel_migrating", "streaming_state_conflict", "messaging_processing_failed":
		return "", false
	case "is_archived", "is_inactive", "channel_not_found", "not_in_channel", "user_not_in_channel", "user_not_found", "user_not_visible", "cant_delete_message", "compliance_exports_prevent_deletion",
		"cant_delete_file", "delete_not_allowed", "file_deleting_disabled",
		"account_inactive", "token_revoked", "token_expired", "invalid_auth", "not_authed", "missing_scope",
		"not_allowed_token_type", "no_permission", "access_denied", "accesslimited", "app_access_restricted",
		"ekm_access_denied", "enterprise_is_restricted", "org_login_required", "two_factor_setup_required",
		"messages_tab_disabled", "team_not_found", "team_access_not_granted", "posting_to_channel_denied",
		"channel_type_not_supported", "is_bot", "cannot_dm_bot", "no_such_subteam", "plan_upgrade_required":
		return chat.NoAccess, true
	}
	switch {
	case strings.HasPrefix(word, "restricted_action"):
		return chat.NoAccess, true
	case strings.HasPrefix(word, "invalid_"), strings.HasPrefix(word, "missing_"), strings.HasPrefix(word, "markdown_"),
		strings.HasPrefix(word, "metadata_"), strings.HasPrefix(word, "too_many_"), strings.HasPrefix(word, "slack_connect_"),
		strings.HasSuffix(word, "_deprecated"), strings.HasSuffix(word, "_not_supported"),
		word == "unknown_method", word == "no_text", word == "block_mismatch", word == "deprecated_endpoint":
		return chat.Invalid, true
	}
	return "", false
}

// cause is the innermost word of a classified error, for a person.
func cause(err error) string {
	if r, ok := errors.AsType[*chat.Refusal](err); ok {
		return r.Err.Error()
	}
	return err.Error()
}
