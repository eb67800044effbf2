#include "server/auth/authenticator.hpp"

#include <algorithm>

namespace assay::server {

namespace {

template <class T>
using awaitable = boost::asio::awaitable<T>;

constexpr size_t hashing_line = 32;
constexpr size_t session_id_length = 32;
constexpr size_t secret_part_bytes = 32;
constexpr size_t users_page = 500;
constexpr size_t most_users = 10'000;

fault refused_login() { return {errc::unauthenticated, "user name or password is wrong", {}, {}}; }

fault refused_token(const char* why) {
  return {errc::unauthenticated, why, {}, "log in again with POST /auth/login"};
}

fault unknown_user(const user_id& id) {
  return {errc::not_found, "there is no user '" + id.value + "'", "id", {}};
}

bool is_admin(const user_record& user) {
  return !user.disabled && std::find(user.roles.begin(), user.roles.end(), role::admin) != user.roles.end();
}

document_change put(const char* table, std::string key, std::string value) {
  document_change out;
  out.table = table;
  out.key = std::move(key);
  out.value = std::move(value);
  return out;
}

document_change erase(const char* table, std::string key) {
  document_change out;
  out.table = table;
  out.key = std::move(key);
  return out;
}

std::vector<document_change> only(document_change change) {
  std::vector<document_change> out;
  out.push_back(std::move(change));
  return out;
}

/// Takes a flag for as long as it lives.
class turn {
public:
  explicit turn(bool& flag) noexcept : flag_(flag) { flag_ = true; }
  ~turn() { flag_ = false; }
  turn(const turn&) = delete;
  turn& operator=(const turn&) = delete;

private:
  bool& flag_;
};

fault taken_turn() {
  return {errc::busy, "another change of users is under way", {}, "try again in a second"};
}

} // namespace

result<void> check_new_password(const user_id& user, const secret& password) {
  const auto& text = password.reveal();
  if (text.size() < shortest_password || text.size() > longest_password)
    return fault{errc::invalid_argument,
                 "must have " + std::to_string(shortest_password) + " to " + std::to_string(longest_password)
                     + " bytes",
                 "password",
                 {}};
  if (text == user.value)
    return fault{errc::invalid_argument, "must differ from the user name", "password", {}};
  return {};
}

authenticator::authenticator(authenticator_options options, secret signing_key,
                             std::shared_ptr<document_store> documents, clocks time)
    : options_(options), time_(time), documents_(std::move(documents)),
      access_(std::move(signing_key), options.access_lifetime, time.wall),
      by_address_(options.per_address, time.steady), by_user_(options.per_user, time.steady),
      tickets_(time.steady), decoy_hash_(hash_password(random_password(), options.cost).value()),
      hashing_(std::make_unique<reader_pool>("password check", options.hashing_threads, hashing_line)) {}

// -- reading --------------------------------------------------------------------------------------------

result<std::optional<authenticator::user_with_text>> authenticator::load_user(const user_id& id) const {
  if (!is_caller_id(id.value))
    return std::optional<user_with_text>{};
  auto text = documents_->find(users_table, id.value);
  if (!text)
    return text.error();
  if (!*text)
    return std::optional<user_with_text>{};
  auto record = user_from_text(**text);
  if (!record)
    return record.error();
  return std::optional<user_with_text>{user_with_text{std::move(*record), std::move(**text)}};
}

result<std::optional<authenticator::session_with_text>>
authenticator::load_session(const std::string& id) const {
  if (id.size() != session_id_length || !is_caller_id(id))
    return std::optional<session_with_text>{};
  auto text = documents_->find(tokens_table, id);
  if (!text)
    return text.error();
  if (!*text)
    return std::optional<session_with_text>{};
  auto record = session_from_text(id, **text);
  if (!record)
    return record.error();
  return std::optional<session_with_text>{session_with_text{std::move(*record), std::move(**text)}};
}

result<principal> authenticator::verify(std::string_view access_token) const {
  auto claims = access_.verify(access_token);
  if (!claims)
    return claims.error();
  auto user = load_user(claims->user);
  if (!user)
    return user.error();
  auto session = load_session(claims->session);
  if (!session)
    return session.error();
  if (!*user || (*user)->record.disabled)
    return refused_token("the user does not exist or is disabled");
  const auto& record = (*user)->record;
  if (!*session || (*session)->record.user != record.id
      || (*session)->record.session_epoch != record.session_epoch)
    return refused_token("the session has ended");
  return principal{record.id, record.roles, permissions_of(record.roles), claims->session, false};
}

bool authenticator::still_valid(const principal& who) const {
  if (who.anonymous)
    return true;
  const auto user = load_user(who.id);
  const auto session = load_session(who.session);
  // A store that cannot be read for a moment ends nobody's session.
  if (!user || !session)
    return true;
  return *user && !(*user)->record.disabled && *session
         && (*session)->record.session_epoch == (*user)->record.session_epoch
         && (*session)->record.expires_at > time_.wall();
}

// -- logins ---------------------------------------------------------------------------------------------

awaitable<result<std::string>> authenticator::hash(secret password) {
  auto work = [password = std::move(password), cost = options_.cost] {
    return hash_password(password, cost);
  };
  co_return co_await hashing_->run(std::move(work));
}

awaitable<result<bool>> authenticator::matches(std::string encoded, secret password) {
  auto work = [encoded = std::move(encoded), password = std::move(password)]() -> result<bool> {
    return verify_password(encoded, password);
  };
  co_return co_await hashing_->run(std::move(work));
}

awaitable<boost::system::result<issued_tokens, login_refusal>>
authenticator::login(std::string name, secret password, std::string peer) {
  fault too_many{errc::rate_limited, "too many attempts to log in", {}, "wait, then try again"};
  if (const auto wait = by_address_.take(peer))
    co_return login_refusal{too_many, wait};
  if (const auto wait = by_user_.take(name))
    co_return login_refusal{too_many, wait};
  const user_id id{name};
  auto user = load_user(id);
  if (!user)
    co_return login_refusal{user.error(), std::nullopt};
  const bool known = user->has_value();
  auto encoded = known ? (*user)->record.password_hash : decoy_hash_;
  auto good = co_await matches(std::move(encoded), std::move(password));
  if (!good)
    co_return login_refusal{good.error(), std::nullopt};
  if (!*good || !known || (*user)->record.disabled)
    co_return login_refusal{refused_login(), std::nullopt};
  by_address_.forgive(peer);
  by_user_.forgive(name);
  auto record = std::move((*user)->record);
  auto tokens = co_await open_session(std::move(record));
  if (!tokens)
    co_return login_refusal{tokens.error(), std::nullopt};
  co_return std::move(*tokens);
}

issued_tokens authenticator::tokens_for(const user_record& user, const std::string& session,
                                        const std::string& secret_part) const {
  return {access_.issue(user.id, session), session + "." + secret_part, access_.lifetime(), user};
}

awaitable<result<issued_tokens>> authenticator::open_session(user_record user) {
  const auto secret_part = random_hex(secret_part_bytes);
  const auto now = time_.wall();
  const session_record session{
      random_hex(session_id_length / 2), user.id, digest_hex(secret_part), user.session_epoch, now,
      now + options_.refresh_lifetime};
  auto change = put(tokens_table, session.id, to_text(session));
  change.only_if_absent = true;
  auto changes = only(std::move(change));
  auto written = co_await documents_->write(std::move(changes));
  if (!written)
    co_return written.error();
  co_return tokens_for(user, session.id, secret_part);
}

awaitable<result<issued_tokens>> authenticator::refresh(std::string refresh_token) {
  const auto dot = refresh_token.find('.');
  if (dot != session_id_length)
    co_return refused_token("this is no refresh token");
  auto found = load_session(refresh_token.substr(0, dot));
  if (!found)
    co_return found.error();
  if (!*found)
    co_return refused_token("the session has ended");
  const auto session = std::move(**found);
  const auto end_session = [&] { return only(erase(tokens_table, session.record.id)); };

  if (!equal_in_constant_time(digest_hex(refresh_token.substr(dot + 1)), session.record.secret_digest)) {
    // An older token of this chain: it was copied by someone, and nobody can tell which of the two is honest.
    auto changes = end_session();
    auto written = co_await documents_->write(std::move(changes));
    ended(session.record.user, session.record.id);
    if (!written)
      co_return written.error();
    co_return refused_token("the refresh token was used before; its session has ended");
  }
  auto user = load_user(session.record.user);
  if (!user)
    co_return user.error();
  if (session.record.expires_at <= time_.wall() || !*user || (*user)->record.disabled
      || (*user)->record.session_epoch != session.record.session_epoch)
    co_return refused_token("the session has ended");

  const auto secret_part = random_hex(secret_part_bytes);
  auto next = session.record;
  next.secret_digest = digest_hex(secret_part);
  next.expires_at = time_.wall() + options_.refresh_lifetime;
  auto change = put(tokens_table, next.id, to_text(next));
  change.only_if_equals = session.text;
  auto changes = only(std::move(change));
  auto written = co_await documents_->write(std::move(changes));
  if (!written && written.error().code == errc::conflict) {
    // Two exchanged the same token at the same time: reuse as well.
    auto ending = end_session();
    auto erased = co_await documents_->write(std::move(ending));
    ended(session.record.user, session.record.id);
    if (!erased)
      co_return erased.error();
    co_return refused_token("the refresh token was used twice; its session has ended");
  }
  if (!written)
    co_return written.error();
  co_return tokens_for((*user)->record, next.id, secret_part);
}

awaitable<result<void>> authenticator::logout(principal who, bool everywhere) {
  if (who.anonymous)
    co_return fault{errc::unauthenticated, "an anonymous caller has no session", {}, {}};
  if (everywhere) {
    auto user = load_user(who.id);
    if (!user)
      co_return user.error();
    if (!*user)
      co_return unknown_user(who.id);
    auto before = std::move(**user);
    auto after = before.record;
    ++after.session_epoch;
    co_return co_await replace_user(std::move(before), std::move(after));
  }
  auto changes = only(erase(tokens_table, who.session));
  auto written = co_await documents_->write(std::move(changes));
  if (written)
    ended(who.id, who.session);
  co_return written;
}

void authenticator::ended(const user_id& user, const std::string& session) const {
  if (on_session_end)
    on_session_end(user, session);
}

// -- users ----------------------------------------------------------------------------------------------

result<std::optional<user_record>> authenticator::find_user(const user_id& id) const {
  auto found = load_user(id);
  if (!found)
    return found.error();
  if (!*found)
    return std::optional<user_record>{};
  return std::optional<user_record>{std::move((*found)->record)};
}

awaitable<result<std::vector<user_record>>> authenticator::list_users() const {
  std::vector<user_record> out;
  std::optional<std::string> after;
  do {
    auto page = co_await documents_->list(users_table, after, users_page);
    if (!page)
      co_return page.error();
    for (const auto& [key, text] : page->documents) {
      auto record = user_from_text(text);
      if (!record)
        co_return record.error();
      out.push_back(std::move(*record));
    }
    after = page->next;
  } while (after && out.size() < most_users);
  co_return std::move(out);
}

awaitable<result<bool>> authenticator::is_last_admin(user_id id) const {
  auto users = co_await list_users();
  if (!users)
    co_return users.error();
  co_return std::none_of(users->begin(), users->end(),
                         [&](const user_record& user) { return user.id != id && is_admin(user); });
}

awaitable<result<void>> authenticator::replace_user(user_with_text before, user_record after) {
  after.updated_at = time_.wall();
  auto change = put(users_table, after.id.value, to_text(after));
  change.only_if_equals = before.text;
  auto changes = only(std::move(change));
  auto written = co_await documents_->write(std::move(changes));
  if (written && after.session_epoch != before.record.session_epoch)
    ended(after.id, {});
  co_return written;
}

awaitable<result<user_record>> authenticator::create_user(user_id id, secret password,
                                                          std::vector<role> roles) {
  if (!is_caller_id(id.value) || id.value.size() > 64)
    co_return fault{errc::invalid_argument,
                    "must be 1 to 64 characters out of letters, digits, '.', '_' and '-'",
                    "username",
                    {}};
  if (id.value == "anonymous")
    co_return fault{errc::invalid_argument, "is reserved for callers without a token", "username", {}};
  auto checked = check_new_password(id, password);
  if (!checked)
    co_return checked.error();
  auto encoded = co_await hash(std::move(password));
  if (!encoded)
    co_return encoded.error();
  user_record user;
  user.id = std::move(id);
  user.password_hash = std::move(*encoded);
  user.roles = std::move(roles);
  user.created_at = time_.wall();
  user.updated_at = user.created_at;
  // Tokens of an erased user with the same name must not become good again.
  user.session_epoch = static_cast<uint64_t>(user.created_at.time_since_epoch().count());
  auto change = put(users_table, user.id.value, to_text(user));
  change.only_if_absent = true;
  auto changes = only(std::move(change));
  auto written = co_await documents_->write(std::move(changes));
  if (!written && written.error().code == errc::conflict)
    co_return fault{errc::conflict, "there is a user '" + user.id.value + "' already", "username", {}};
  if (!written)
    co_return written.error();
  co_return std::move(user);
}

awaitable<result<user_record>> authenticator::change_user(user_id id, std::optional<std::vector<role>> roles,
                                                          std::optional<bool> disabled) {
  if (changing_users_)
    co_return taken_turn();
  const turn mine{changing_users_};
  auto found = load_user(id);
  if (!found)
    co_return found.error();
  if (!*found)
    co_return unknown_user(id);
  auto before = std::move(**found);
  auto after = before.record;
  if (roles)
    after.roles = std::move(*roles);
  if (disabled)
    after.disabled = *disabled;
  if (is_admin(before.record) && !is_admin(after)) {
    auto last = co_await is_last_admin(id);
    if (!last)
      co_return last.error();
    if (*last)
      co_return fault{errc::conflict, "this is the last administrator", "id",
                      "make somebody else admin first"};
  }
  // Sessions carry no rights of their own, but what a socket was allowed to follow may have changed too.
  if (after.disabled != before.record.disabled || after.roles != before.record.roles)
    ++after.session_epoch;
  auto written = co_await replace_user(std::move(before), after);
  if (!written)
    co_return written.error();
  co_return std::move(after);
}

awaitable<result<void>> authenticator::delete_user(user_id id) {
  if (changing_users_)
    co_return taken_turn();
  const turn mine{changing_users_};
  auto found = load_user(id);
  if (!found)
    co_return found.error();
  if (!*found)
    co_return unknown_user(id);
  if (is_admin((*found)->record)) {
    auto last = co_await is_last_admin(id);
    if (!last)
      co_return last.error();
    if (*last)
      co_return fault{errc::conflict, "this is the last administrator", "id",
                      "make somebody else admin first"};
  }
  auto change = erase(users_table, id.value);
  change.only_if_equals = (*found)->text;
  auto changes = only(std::move(change));
  auto written = co_await documents_->write(std::move(changes));
  if (written)
    ended(id, {});
  co_return written;
}

awaitable<result<void>> authenticator::change_password(user_id id, std::optional<secret> current,
                                                       secret next) {
  auto checked = check_new_password(id, next);
  if (!checked)
    co_return checked.error();
  auto found = load_user(id);
  if (!found)
    co_return found.error();
  if (!*found)
    co_return unknown_user(id);
  auto before = std::move(**found);
  if (current) {
    // Guessing through a stolen session is as limited as guessing at the login.
    if (by_user_.take(id.value))
      co_return fault{errc::rate_limited, "too many attempts with a wrong password", "current_password",
                      "wait, then try again"};
    auto good = co_await matches(before.record.password_hash, std::move(*current));
    if (!good)
      co_return good.error();
    if (!*good)
      co_return fault{errc::forbidden, "is not the present password", "current_password", {}};
    by_user_.forgive(id.value);
  }
  auto encoded = co_await hash(std::move(next));
  if (!encoded)
    co_return encoded.error();
  auto after = before.record;
  after.password_hash = std::move(*encoded);
  ++after.session_epoch;
  co_return co_await replace_user(std::move(before), std::move(after));
}

// -- the start and housekeeping -------------------------------------------------------------------------

awaitable<result<std::optional<secret>>> authenticator::ensure_admin(secret given) {
  auto page = co_await documents_->list(users_table, std::nullopt, 1);
  if (!page)
    co_return page.error();
  if (!page->documents.empty())
    co_return std::optional<secret>{};
  const bool drawn = given.empty();
  const auto password = drawn ? random_password() : given;
  std::vector<role> roles{role::admin};
  auto created = co_await create_user(user_id{"admin"}, password, std::move(roles));
  if (!created)
    co_return created.error();
  co_return drawn ? std::optional<secret>{password} : std::optional<secret>{};
}

awaitable<result<bool>> authenticator::admin_has_password(secret password) {
  auto admin = load_user(user_id{"admin"});
  if (!admin)
    co_return admin.error();
  if (!*admin)
    co_return false;
  auto encoded = (*admin)->record.password_hash;
  co_return co_await matches(std::move(encoded), std::move(password));
}

awaitable<result<size_t>> authenticator::remove_expired_sessions() {
  size_t removed = 0;
  std::optional<std::string> after;
  do {
    auto page = co_await documents_->list(tokens_table, after, users_page);
    if (!page)
      co_return page.error();
    std::vector<document_change> changes;
    for (const auto& [key, text] : page->documents) {
      const auto session = session_from_text(key, text);
      if (session && session->expires_at > time_.wall())
        continue;
      auto change = erase(tokens_table, key);
      change.only_if_equals = text;
      changes.push_back(std::move(change));
    }
    after = page->next;
    removed += changes.size();
    if (!changes.empty()) {
      auto written = co_await documents_->write(std::move(changes));
      // A session refreshed meanwhile voids the batch; the next round removes the others.
      if (!written && written.error().code != errc::conflict)
        co_return written.error();
    }
  } while (after);
  co_return removed;
}

} // namespace assay::server
