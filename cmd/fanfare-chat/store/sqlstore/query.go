package sqlstore

// query identifies a statement.
type query int

const (
	lockUsers query = iota
	addUser
	userByKey
	userAlike
	addLogin
	loginByHash
	removeLogin
	setPassword
	endOtherLogins
	trimLogins
	expireLogins
	addRoom
	addDirect
	directRoom
	openRooms
	addMember
	removeMember
	membershipByRoom
	membershipsByUser
	counts
	membersByKey
	markRead
	lockRoom
	lockActor
	updateRoom
	addMessage
	messageByClient
	messageByNumber
	changeMessage
	indexWords
	unindexWords
	messagesBefore
	messagesChanged
	messagesFound
	queryCount
)

// Columns in the order that the scan functions expect.
const (
	userColumns    = `u.id, u.name, u.key, u.password, u.moderator, u.created`
	roomColumns    = `r.id, r.kind, r.name, r.key, r.owner, r.created, r.last, r.rev`
	messageColumns = `m.room, m.number, m.rev, m.author, u.name, m.client, m.text, m.sent, m.edited, m.deleted, m.reactions`

	selectMembership = `SELECT ` + roomColumns + `, m.read, coalesce(w.id, 0), coalesce(w.name, '')
		FROM members m JOIN rooms r ON r.id = m.room
		LEFT JOIN users w ON w.id = CASE m.member WHEN r.low THEN r.high ELSE r.low END `
	selectMessage = `SELECT ` + messageColumns + ` FROM messages m JOIN users u ON u.id = m.author `
)

// shared has the statements that are the same for both databases. The others are in the dialects.
var shared = [queryCount]string{
	addUser: `INSERT INTO users (name, key, password, moderator, created, look, plain)
		VALUES ($1, $2, $3, $4 OR (SELECT max(id) FROM users) IS NULL, $5, $6, $7)`,
	userByKey: `SELECT ` + userColumns + ` FROM users u WHERE u.key = $1`,
	userAlike: `SELECT id FROM users WHERE look = $1 UNION ALL SELECT id FROM users WHERE plain = $2 LIMIT 1`,

	addLogin: `INSERT INTO logins (hash, owner, created, expires) VALUES ($1, $2, $3, $4)`,
	loginByHash: `SELECT l.hash, l.owner, l.created, l.expires, ` + userColumns + `
		FROM logins l JOIN users u ON u.id = l.owner WHERE l.hash = $1 AND l.expires > $2`,
	removeLogin:    `DELETE FROM logins WHERE hash = $1`,
	setPassword:    `UPDATE users SET password = $3 WHERE id = $1 AND password = $2`,
	endOtherLogins: `DELETE FROM logins WHERE owner = $1 AND hash <> $2 RETURNING hash, owner, created, expires`,
	trimLogins: `DELETE FROM logins WHERE hash IN (SELECT hash FROM logins WHERE owner = $1 AND hash <> $3
		ORDER BY created DESC, hash DESC LIMIT 1000 OFFSET $2) RETURNING hash, owner, created, expires`,
	expireLogins: `DELETE FROM logins WHERE expires <= $1 RETURNING hash, owner, created, expires`,

	addRoom: `INSERT INTO rooms (kind, name, key, owner, created, look, plain)
		VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING id`,
	addDirect: `INSERT INTO rooms (kind, name, key, owner, created, low, high) VALUES (3, '', '', $1, $2, $3, $4)
		ON CONFLICT (low, high) WHERE kind = 3 DO NOTHING RETURNING id`,
	directRoom: `SELECT ` + roomColumns + ` FROM rooms r WHERE r.kind = 3 AND r.low = $1 AND r.high = $2`,
	openRooms:  `SELECT ` + roomColumns + ` FROM rooms r WHERE r.kind = 1 AND r.key > $1 ORDER BY r.key LIMIT $2`,

	addMember: `INSERT INTO members (room, member, key, read) SELECT r.id, u.id, u.key, r.last
		FROM rooms r CROSS JOIN users u WHERE r.id = $1 AND u.id = $2 ON CONFLICT DO NOTHING`,
	removeMember:      `DELETE FROM members WHERE room = $1 AND member = $2`,
	membershipByRoom:  selectMembership + `WHERE m.room = $1 AND m.member = $2`,
	membershipsByUser: selectMembership + `WHERE m.member = $1 ORDER BY m.room`,
	counts:            `SELECT (SELECT count(*) FROM members WHERE room = $1), (SELECT count(*) FROM members WHERE member = $2)`,
	membersByKey: `SELECT u.id, u.name, u.key FROM members m JOIN users u ON u.id = m.member
		WHERE m.room = $1 AND m.key > $2 ORDER BY m.key LIMIT $3`,
	markRead: `UPDATE members SET read = $3 WHERE room = $1 AND member = $2 AND read < $3`,

	updateRoom: `UPDATE rooms SET last = $2, rev = $3 WHERE id = $1`,
	addMessage: `INSERT INTO messages (room, number, rev, author, client, text, sent)
		VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (room, author, client) DO NOTHING`,
	messageByClient: selectMessage + `WHERE m.room = $1 AND m.author = $2 AND m.client = $3`,
	messageByNumber: selectMessage + `WHERE m.room = $1 AND m.number = $2`,
	changeMessage:   `UPDATE messages SET rev = $3, text = $4, edited = $5, deleted = $6, reactions = $7 WHERE room = $1 AND number = $2`,
	unindexWords:    `DELETE FROM search WHERE rowid = $1`,

	messagesBefore:  selectMessage + `WHERE m.room = $1 AND m.number < $2 ORDER BY m.number DESC LIMIT $3`,
	messagesChanged: selectMessage + `WHERE m.room = $1 AND m.rev > $2 ORDER BY m.rev LIMIT $3`,
}

// selectFound is messagesFound without the condition on $4, the words. The entries of room $1 are those
// from $2 to below $3; an entry minus $2 is the number of the message.
const selectFound = `SELECT ` + messageColumns + ` FROM search
	CROSS JOIN messages m JOIN users u ON u.id = m.author
	WHERE search.rowid > $2 AND search.rowid < $3 AND m.room = $1 AND m.number = search.rowid - $2
	AND `

const latestFound = ` ORDER BY search.rowid DESC LIMIT $5`
