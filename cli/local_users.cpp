#include "cli/local_users.hpp"

#include "server/auth/api_keys.hpp"
#include "server/auth/passwords.hpp"
#include "server/auth/users.hpp"
#include "storage/snapshot.hpp"
#include "storage/writer.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace assay::cli {

namespace {

using nlohmann::json;

fault unknown_user(const std::string& name) {
  return {errc::not_found, "there is no user '" + name + "'", {}, "`assay users` lists them"};
}

} // namespace

struct local_users::state {
  std::shared_ptr<storage::store> store;
  std::optional<fault> failed;
  std::unique_ptr<storage::writer> writer;

  /// All documents of a table, each read by @p parse.
  template <class Record>
  result<std::vector<Record>> read_all(storage::table where,
                                       result<Record> (*parse)(std::string_view)) const {
    std::vector<Record> out;
    storage::document_query query;
    do {
      auto view = storage::snapshot::open(store);
      if (!view)
        return view.error();
      auto page = view->page_documents(where, query);
      if (!page)
        return page.error();
      for (const auto& [key, document] : page->documents) {
        auto record = parse(document.bytes);
        if (!record)
          return record.error();
        out.push_back(std::move(*record));
      }
      query.after = page->next;
    } while (query.after);
    return out;
  }

  result<std::vector<server::user_record>> all() const {
    return read_all<server::user_record>(storage::table::users, &server::user_from_text);
  }

  /// @param user Empty: the keys of everybody.
  result<std::vector<server::api_key_record>> keys_of(const std::string& user) const {
    auto keys = read_all<server::api_key_record>(storage::table::api_keys, &server::api_key_from_text);
    if (keys && !user.empty())
      std::erase_if(*keys, [&](const server::api_key_record& key) { return key.owner.value != user; });
    if (keys)
      std::stable_sort(keys->begin(), keys->end(),
                       [](const auto& a, const auto& b) { return a.created_at < b.created_at; });
    return keys;
  }

  result<server::user_record> find(const std::string& name) const {
    auto users = all();
    if (!users)
      return users.error();
    const auto found =
        std::find_if(users->begin(), users->end(), [&](const auto& user) { return user.id.value == name; });
    if (found == users->end())
      return unknown_user(name);
    return std::move(*found);
  }

  /// @returns whether nobody else could manage users.
  result<bool> is_last_admin(const std::string& name) const {
    const auto users = all();
    if (!users)
      return users.error();
    return std::none_of(users->begin(), users->end(), [&](const auto& user) {
      return user.id.value != name && server::is_active_admin(user);
    });
  }

  std::optional<fault> refuse_last_admin(const server::user_record& user) const {
    if (!server::is_active_admin(user))
      return std::nullopt;
    const auto last = is_last_admin(user.id.value);
    if (!last)
      return last.error();
    if (*last)
      return fault{errc::conflict, "this is the last administrator", {}, "make somebody else admin first"};
    return std::nullopt;
  }

  /// Writes and waits: the writer reports before it stops.
  std::optional<fault> write(storage::write_batch batch) {
    auto made = storage::writer::start(store, {}, [this](storage::commit_report&& done) {
      for (const auto& ticket : done.tickets)
        if (ticket.error && !failed)
          failed = ticket.error;
    });
    if (!made)
      return made.error();
    const auto taken = (*made)->submit(std::move(batch));
    (*made)->stop();
    if (!taken)
      return taken.error();
    return std::exchange(failed, std::nullopt);
  }

  std::optional<fault> put(server::user_record user, bool fresh) {
    user.updated_at = wall_now();
    storage::write_batch batch;
    batch.put_document(storage::table::users, user.id.value, server::to_text(user),
                       fresh ? storage::document_condition::if_absent() : storage::document_condition{});
    return write(std::move(batch));
  }

  /// Changes roles or the right to sign in, and ends the user's sessions.
  template <class Change>
  std::optional<fault> change(const std::string& name, const Change& apply, json& out) {
    const auto before = find(name);
    if (!before)
      return before.error();
    auto after = *before;
    apply(after);
    if (!server::is_active_admin(after))
      if (auto refused = refuse_last_admin(*before))
        return refused;
    if (after.roles != before->roles || after.disabled != before->disabled) {
      ++after.session_epoch;
      if (auto refused = put(after, false))
        return refused;
    }
    out = server::user_to_json(after);
    return std::nullopt;
  }
};

local_users::local_users(std::unique_ptr<state> made) : state_(std::move(made)) {}
local_users::~local_users() = default;
local_users::local_users(local_users&&) noexcept = default;

result<local_users> local_users::open(const storage::store_options& options) {
  auto store = storage::store::open(options);
  if (!store)
    return store.error();
  auto made = std::make_unique<state>();
  made->store = std::move(*store);
  return local_users(std::move(made));
}

std::optional<fault> local_users::list(json& out) {
  const auto users = state_->all();
  if (!users)
    return users.error();
  out = json::array();
  for (const auto& user : *users)
    out.push_back(server::user_to_json(user));
  return std::nullopt;
}

std::optional<fault> local_users::add(const std::string& name, const secret& password,
                                      const std::vector<std::string>& roles, json& out) {
  if (auto good = server::check_new_name(user_id{name}); !good)
    return fault{errc::invalid_argument, "the name " + good.error().message, "NAME", {}};
  auto known = server::roles_from_json(json(roles));
  if (!known)
    return known.error();
  server::user_record user;
  user.id = user_id{name};
  if (auto good = server::check_new_password(user.id, password); !good)
    return good.error();
  auto hash = server::hash_password(password, {});
  if (!hash)
    return hash.error();
  user.password_hash = std::move(*hash);
  user.roles = std::move(*known);
  user.created_at = wall_now();
  user.updated_at = user.created_at;
  // Tokens of an erased user with the same name must not become good again.
  user.session_epoch = static_cast<uint64_t>(user.created_at.time_since_epoch().count());
  if (auto refused = state_->put(user, true)) {
    if (refused->code == errc::conflict)
      return fault{errc::conflict, "there is a user '" + name + "' already", "NAME", {}};
    return refused;
  }
  out = server::user_to_json(user);
  return std::nullopt;
}

std::optional<fault> local_users::set_password(const std::string& name, const secret& password) {
  auto user = state_->find(name);
  if (!user)
    return user.error();
  if (auto good = server::check_new_password(user->id, password); !good)
    return good.error();
  auto hash = server::hash_password(password, {});
  if (!hash)
    return hash.error();
  user->password_hash = std::move(*hash);
  ++user->session_epoch;
  return state_->put(std::move(*user), false);
}

std::optional<fault> local_users::set_roles(const std::string& name, const std::vector<std::string>& roles,
                                            json& out) {
  auto known = server::roles_from_json(json(roles));
  if (!known)
    return known.error();
  return state_->change(
      name, [&](server::user_record& user) { user.roles = *known; }, out);
}

std::optional<fault> local_users::set_disabled(const std::string& name, bool disabled, json& out) {
  return state_->change(
      name, [&](server::user_record& user) { user.disabled = disabled; }, out);
}

std::optional<fault> local_users::erase(const std::string& name) {
  const auto user = state_->find(name);
  if (!user)
    return user.error();
  if (auto refused = state_->refuse_last_admin(*user))
    return refused;
  const auto keys = state_->keys_of(name);
  if (!keys)
    return keys.error();
  storage::write_batch batch;
  batch.erase_document(storage::table::users, name);
  for (const auto& key : *keys)
    batch.erase_document(storage::table::api_keys, key.id);
  return state_->write(std::move(batch));
}

// -- API keys -------------------------------------------------------------------------------------------

std::optional<fault> local_users::list_keys(const std::string& user, json& out) {
  const auto keys = state_->keys_of(user);
  if (!keys)
    return keys.error();
  const auto now = wall_now();
  out = json::array();
  for (const auto& key : *keys)
    out.push_back(server::api_key_to_json(key, now));
  return std::nullopt;
}

std::optional<fault> local_users::add_key(const std::string& user, const json& fields, json& out) {
  const auto owner = state_->find(user);
  if (!owner)
    return owner.error();
  const auto now = wall_now();
  server::api_key_record wanted;
  if (auto read = server::read_api_key_fields(fields, now, wanted); !read)
    return read.error();
  const auto present = state_->keys_of(user);
  if (!present)
    return present.error();
  auto made = server::draw_api_key(*owner, std::move(wanted), present->size(), now);
  if (!made)
    return made.error();
  storage::write_batch batch;
  batch.put_document(storage::table::api_keys, made->record.id, server::to_text(made->record),
                     storage::document_condition::if_absent());
  if (auto refused = state_->write(std::move(batch)))
    return refused;
  out = server::api_key_to_json(made->record, now);
  out["key"] = made->key.reveal();
  return std::nullopt;
}

std::optional<fault> local_users::remove_key(const std::string& id) {
  const auto keys = state_->keys_of({});
  if (!keys)
    return keys.error();
  if (std::none_of(keys->begin(), keys->end(), [&](const auto& key) { return key.id == id; }))
    return server::unknown_api_key(id);
  storage::write_batch batch;
  batch.erase_document(storage::table::api_keys, id);
  return state_->write(std::move(batch));
}

} // namespace assay::cli
