#include "server/auth/authenticator.hpp"

#include <algorithm>

namespace assay::server {

namespace {

template <class T>
using awaitable = boost::asio::awaitable<T>;

constexpr size_t session_id_length = 32;
constexpr size_t secret_part_bytes = 32;
constexpr size_t sessions_page = 500;

fault refused_login() { return {errc::unauthenticated, "user name or password is wrong", {}, {}}; }

fault refused_token(const char* why) {
  return {errc::unauthenticated, why, {}, "log in again with POST /auth/login"};
}

} // namespace

authenticator::authenticator(const authenticator_options& options, secret signing_key,
                             std::shared_ptr<document_store> documents, clocks time)
    : options_(options), time_(time), documents_(documents),
      access_(std::move(signing_key), options.access_lifetime, time.wall),
      by_address_(options.per_address, time.steady), by_user_(options.per_user, time.steady),
      keys_by_address_(options.per_address, time.steady), tickets_(time.steady),
      passwords_(options.cost, options.hashing_threads), users_(documents, passwords_, time),
      keys_(std::move(documents), users_, std::move(time)) {
  users_.on_sessions_end = [this](const user_id& user) { ended(user, {}); };
}

// -- reading --------------------------------------------------------------------------------------------

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
  auto user = users_.load(claims->user);
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

boost::system::result<principal, login_refusal> authenticator::identify(std::string_view token,
                                                                        const std::string& peer) {
  if (!looks_like_api_key(token)) {
    auto who = verify(token);
    if (!who)
      return login_refusal{who.error(), std::nullopt};
    return std::move(*who);
  }
  const bool in_use = keys_.is_in_use(token);
  if (!in_use)
    if (const auto wait = keys_by_address_.take(peer))
      return login_refusal{
          fault{errc::rate_limited, "too many attempts with wrong API keys", {}, "wait, then try again"},
          wait};
  auto who = keys_.verify(token);
  if (!in_use && (who || who.error().code != errc::unauthenticated))
    keys_by_address_.forgive(peer);
  if (!who)
    return login_refusal{who.error(), std::nullopt};
  return std::move(*who);
}

std::optional<login_refusal> authenticator::take_request(const principal& who) {
  auto refused = keys_.take_request(who);
  if (!refused)
    return std::nullopt;
  return login_refusal{
      fault{errc::rate_limited, std::move(refused->what), {}, "wait as Retry-After says, then go on"},
      refused->wait};
}

bool authenticator::still_valid(const principal& who) const {
  if (who.anonymous)
    return true;
  if (!who.api_key.empty())
    return keys_.still_valid(who.api_key);
  const auto user = users_.load(who.id);
  const auto session = load_session(who.session);
  // A store that cannot be read for a moment ends nobody's session.
  if (!user || !session)
    return true;
  return *user && !(*user)->record.disabled && *session
         && (*session)->record.session_epoch == (*user)->record.session_epoch
         && (*session)->record.expires_at > time_.wall();
}

// -- logins ---------------------------------------------------------------------------------------------

awaitable<boost::system::result<issued_tokens, login_refusal>>
authenticator::login(std::string name, secret password, std::string peer) {
  fault too_many{errc::rate_limited, "too many attempts to log in", {}, "wait, then try again"};
  if (const auto wait = by_address_.take(peer))
    co_return login_refusal{too_many, wait};
  if (const auto wait = by_user_.take(name))
    co_return login_refusal{too_many, wait};
  const user_id id{name};
  auto user = users_.load(id);
  if (!user)
    co_return login_refusal{user.error(), std::nullopt};
  const bool known = user->has_value();
  auto encoded = known ? (*user)->record.password_hash : passwords_.decoy();
  auto good = co_await passwords_.matches(std::move(encoded), std::move(password));
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
  auto change = put_document(tokens_table, session.id, to_text(session));
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
  const auto end_session = [&] { return only(erase_document(tokens_table, session.record.id)); };

  if (!equal_in_constant_time(digest_hex(refresh_token.substr(dot + 1)), session.record.secret_digest)) {
    // An older token of this chain: it was copied by someone, and nobody can tell which of the two is honest.
    auto changes = end_session();
    auto written = co_await documents_->write(std::move(changes));
    ended(session.record.user, session.record.id);
    if (!written)
      co_return written.error();
    co_return refused_token("the refresh token was used before; its session has ended");
  }
  auto user = users_.load(session.record.user);
  if (!user)
    co_return user.error();
  if (session.record.expires_at <= time_.wall() || !*user || (*user)->record.disabled
      || (*user)->record.session_epoch != session.record.session_epoch)
    co_return refused_token("the session has ended");

  const auto secret_part = random_hex(secret_part_bytes);
  auto next = session.record;
  next.secret_digest = digest_hex(secret_part);
  next.expires_at = time_.wall() + options_.refresh_lifetime;
  auto change = put_document(tokens_table, next.id, to_text(next));
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
  // A key must not end its user's sessions; and ending none would not be what was asked for.
  if (!who.api_key.empty())
    co_return fault{
        errc::forbidden, "an API key has no session", {}, "DELETE /auth/keys/{id} removes the key"};
  if (everywhere)
    co_return co_await users_.end_sessions(who.id);
  auto changes = only(erase_document(tokens_table, who.session));
  auto written = co_await documents_->write(std::move(changes));
  if (written)
    ended(who.id, who.session);
  co_return written;
}

void authenticator::ended(const user_id& user, const std::string& session) const {
  if (on_session_end)
    on_session_end(user, session);
}

awaitable<result<void>> authenticator::change_password(user_id id, std::optional<secret> current,
                                                       secret next) {
  auto checked = check_new_password(id, next);
  if (!checked)
    co_return checked.error();
  auto found = users_.load(id);
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
    auto encoded = before.record.password_hash;
    auto good = co_await passwords_.matches(std::move(encoded), std::move(*current));
    if (!good)
      co_return good.error();
    if (!*good)
      co_return fault{errc::forbidden, "is not the present password", "current_password", {}};
    by_user_.forgive(id.value);
  }
  co_return co_await users_.set_password(std::move(before), std::move(next));
}

awaitable<result<void>> authenticator::remove_user(user_id id) {
  auto keys = co_await keys_.list(id);
  if (!keys)
    co_return keys.error();
  std::vector<document_change> erasing;
  for (const auto& key : *keys)
    erasing.push_back(erase_document(api_keys_table, key.id));
  auto removed = co_await users_.remove(std::move(id), std::move(erasing));
  if (removed)
    for (const auto& key : *keys)
      keys_.forget(key.id);
  co_return removed;
}

// -- housekeeping ---------------------------------------------------------------------------------------

awaitable<result<size_t>> authenticator::remove_expired_sessions() {
  size_t removed = 0;
  std::optional<std::string> after;
  do {
    auto page = co_await documents_->list(tokens_table, after, sessions_page);
    if (!page)
      co_return page.error();
    std::vector<document_change> changes;
    for (const auto& [key, text] : page->documents) {
      const auto session = session_from_text(key, text);
      if (session && session->expires_at > time_.wall())
        continue;
      auto change = erase_document(tokens_table, key);
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
