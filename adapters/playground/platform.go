// The description of the playground: a platform without sections in the bots'
// files, where every bot is.

package playground

import "parley/internal/chat"

// Platform describes the playground.
func Platform() chat.Platform {
	return chat.Platform{Name: Scope, Title: "the playground", Pages: true}
}
