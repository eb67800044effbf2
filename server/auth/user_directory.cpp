#include "server/auth/user_directory.hpp"

#include <algorithm>
#include <utility>

namespace assay::server {

namespace {

template <class T>
using awaitable = boost::asio::awaitable<T>;

constexpr size_t users_page = 500;
constexpr size_t most_users = 10'000;

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

fault unknown_user(const user_id& id) {
  return {errc::not_found, "there is no user '" + id.value + "'", "id", {}};
}

user_directory::user_directory(std::shared_ptr<document_store> documents, password_checker& passwords,
                               clocks time)
    : documents_(std::move(documents)), passwords_(passwords), time_(std::move(time)) {}

// -- reading --------------------------------------------------------------------------------------------

result<std::optional<user_directory::stored_user>> user_directory::load(const user_id& id) const {
  if (!is_caller_id(id.value))
    return std::optional<stored_user>{};
  auto text = documents_->find(users_table, id.value);
  if (!text)
    return text.error();
  if (!*text)
    return std::optional<stored_user>{};
  auto record = user_from_text(**text);
  if (!record)
    return record.error();
  return std::optional<stored_user>{stored_user{std::move(*record), std::move(**text)}};
}

result<std::optional<user_record>> user_directory::find(const user_id& id) const {
  auto found = load(id);
  if (!found)
    return found.error();
  if (!*found)
    return std::optional<user_record>{};
  return std::optional<user_record>{std::move((*found)->record)};
}

awaitable<result<std::vector<user_record>>> user_directory::list() const {
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

/// @returns errc::conflict when nobody but @p id could manage users.
awaitable<result<void>> user_directory::keep_an_admin(user_id id) const {
  auto users = co_await list();
  if (!users)
    co_return users.error();
  if (std::none_of(users->begin(), users->end(),
                   [&](const user_record& user) { return user.id != id && is_active_admin(user); }))
    co_return fault{errc::conflict, "this is the last administrator", "id", "make somebody else admin first"};
  co_return result<void>{};
}

// -- changes --------------------------------------------------------------------------------------------

awaitable<result<void>> user_directory::replace(stored_user before, user_record after) {
  after.updated_at = time_.wall();
  auto change = put_document(users_table, after.id.value, to_text(after));
  change.only_if_equals = before.text;
  auto changes = only(std::move(change));
  auto written = co_await documents_->write(std::move(changes));
  if (written && after.session_epoch != before.record.session_epoch && on_sessions_end)
    on_sessions_end(after.id);
  co_return written;
}

awaitable<result<user_record>> user_directory::create(user_id id, secret password, std::vector<role> roles) {
  auto checked = check_new_name(id);
  if (checked)
    checked = check_new_password(id, password);
  if (!checked)
    co_return checked.error();
  auto encoded = co_await passwords_.hash(std::move(password));
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
  auto change = put_document(users_table, user.id.value, to_text(user));
  change.only_if_absent = true;
  auto changes = only(std::move(change));
  auto written = co_await documents_->write(std::move(changes));
  if (!written && written.error().code == errc::conflict)
    co_return fault{errc::conflict, "there is a user '" + user.id.value + "' already", "username", {}};
  if (!written)
    co_return written.error();
  co_return std::move(user);
}

awaitable<result<user_record>> user_directory::change(user_id id, std::optional<std::vector<role>> roles,
                                                      std::optional<bool> disabled) {
  if (changing_)
    co_return taken_turn();
  const turn mine{changing_};
  auto found = load(id);
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
  if (is_active_admin(before.record) && !is_active_admin(after)) {
    auto kept = co_await keep_an_admin(id);
    if (!kept)
      co_return kept.error();
  }
  // Sessions carry no rights of their own, but what a socket was allowed to follow may have changed too.
  if (after.disabled != before.record.disabled || after.roles != before.record.roles)
    ++after.session_epoch;
  auto written = co_await replace(std::move(before), after);
  if (!written)
    co_return written.error();
  co_return std::move(after);
}

awaitable<result<void>> user_directory::remove(user_id id, std::vector<document_change> along) {
  if (changing_)
    co_return taken_turn();
  const turn mine{changing_};
  auto found = load(id);
  if (!found)
    co_return found.error();
  if (!*found)
    co_return unknown_user(id);
  if (is_active_admin((*found)->record)) {
    auto kept = co_await keep_an_admin(id);
    if (!kept)
      co_return kept.error();
  }
  auto change = erase_document(users_table, id.value);
  change.only_if_equals = (*found)->text;
  along.push_back(std::move(change));
  auto written = co_await documents_->write(std::move(along));
  if (written && on_sessions_end)
    on_sessions_end(id);
  co_return written;
}

awaitable<result<void>> user_directory::set_password(stored_user before, secret next) {
  auto encoded = co_await passwords_.hash(std::move(next));
  if (!encoded)
    co_return encoded.error();
  auto after = before.record;
  after.password_hash = std::move(*encoded);
  ++after.session_epoch;
  co_return co_await replace(std::move(before), std::move(after));
}

awaitable<result<void>> user_directory::end_sessions(user_id id) {
  auto user = load(id);
  if (!user)
    co_return user.error();
  if (!*user)
    co_return unknown_user(id);
  auto before = std::move(**user);
  auto after = before.record;
  ++after.session_epoch;
  co_return co_await replace(std::move(before), std::move(after));
}

// -- the first administrator ----------------------------------------------------------------------------

awaitable<result<std::optional<secret>>> user_directory::ensure_admin(secret given) {
  auto page = co_await documents_->list(users_table, std::nullopt, 1);
  if (!page)
    co_return page.error();
  if (!page->documents.empty())
    co_return std::optional<secret>{};
  const bool drawn = given.empty();
  const auto password = drawn ? random_password() : given;
  std::vector<role> roles{role::admin};
  auto created = co_await create(user_id{"admin"}, password, std::move(roles));
  if (!created)
    co_return created.error();
  co_return drawn ? std::optional<secret>{password} : std::optional<secret>{};
}

awaitable<result<bool>> user_directory::admin_has_password(secret password) {
  auto admin = load(user_id{"admin"});
  if (!admin)
    co_return admin.error();
  if (!*admin)
    co_return false;
  auto encoded = (*admin)->record.password_hash;
  co_return co_await passwords_.matches(std::move(encoded), std::move(password));
}

} // namespace assay::server
