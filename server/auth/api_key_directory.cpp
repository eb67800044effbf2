#include "server/auth/api_key_directory.hpp"

#include "server/auth/passwords.hpp"

#include <algorithm>
#include <utility>

namespace assay::server {

namespace {

template <class T>
using awaitable = boost::asio::awaitable<T>;
using steady_point = std::chrono::steady_clock::time_point;

constexpr size_t keys_page = 500;
constexpr size_t most_keys_listed = 10'000;
constexpr int most_tries = 5;

fault refused_key(const char* why) {
  return {errc::unauthenticated, why, {}, "keys are made with POST /auth/keys or `assay users keys add`"};
}

fault unknown_key() { return refused_key("the API key is unknown or has been removed"); }

} // namespace

api_key_directory::api_key_directory(std::shared_ptr<document_store> documents, const user_directory& users,
                                     clocks time)
    : documents_(std::move(documents)), users_(users), time_(std::move(time)) {}

// -- limits ---------------------------------------------------------------------------------------------

void api_key_directory::limit::set(uint64_t per_minute, steady_point now) {
  if (per_minute == 0) {
    bucket_.reset();
    return;
  }
  if (bucket_) {
    bucket_->set_limit(per_minute, now);
    return;
  }
  control::gcra_options options;
  options.limit = per_minute;
  // A program may send its minute's worth at once; the limit is ours, so nothing has to be held back for
  // doubt.
  options.burst_window = options.window;
  options.safety_factor = 1;
  bucket_.emplace(options, now);
}

std::chrono::nanoseconds api_key_directory::limit::wait(steady_point now) const {
  return bucket_ ? bucket_->wait_for(1, now) : std::chrono::nanoseconds{0};
}

void api_key_directory::limit::take(int64_t units, steady_point now) {
  if (!bucket_)
    return;
  if (units >= 0)
    bucket_->take(static_cast<uint64_t>(units), now);
  else
    bucket_->refund(-units, now);
}

// -- callers --------------------------------------------------------------------------------------------

result<std::optional<api_key_directory::stored_key>> api_key_directory::load(const std::string& id) const {
  if (!is_caller_id(id))
    return std::optional<stored_key>{};
  auto text = documents_->find(api_keys_table, id);
  if (!text)
    return text.error();
  if (!*text)
    return std::optional<stored_key>{};
  auto record = api_key_from_text(**text);
  if (!record)
    return record.error();
  return std::optional<stored_key>{stored_key{std::move(*record), std::move(**text)}};
}

std::optional<fault> api_key_directory::why_not(const api_key_record& key,
                                                const std::optional<user_record>& owner) const {
  if (!owner || owner->disabled || owner->created_at != key.owner_since)
    return refused_key("the user of this API key is disabled or has been removed");
  if (key.disabled)
    return refused_key("the API key is disabled");
  if (key.expires_at && *key.expires_at <= time_.wall())
    return refused_key("the API key has expired");
  return std::nullopt;
}

result<principal> api_key_directory::verify(std::string_view key) {
  const auto id = api_key_id(key);
  if (!id)
    return refused_key("the API key is incomplete or mistyped");
  const auto found = load(*id);
  if (!found)
    return found.error();
  auto digest = api_key_digest(key);
  // The same words for an unknown id and a wrong secret: nothing is to be learned about ids.
  if (!*found || !equal_in_constant_time(digest, (*found)->record.digest))
    return unknown_key();
  const auto& record = (*found)->record;
  const auto owner = users_.find(record.owner);
  if (!owner)
    return owner.error();
  if (auto refused = why_not(record, *owner))
    return std::move(*refused);

  const auto now = time_.steady();
  auto& used = uses_[*id];
  used.digest = std::move(digest);
  used.requests.set(record.requests_per_minute, now);
  used.tokens.set(record.tokens_per_minute, now);
  used.last = time_.wall();
  used.written = record.last_used_at.value_or(wall_time{});

  principal who;
  who.id = (*owner)->id;
  const auto all = permissions_of((*owner)->roles);
  who.permissions = record.permissions ? all & *record.permissions : all;
  // A role grants more than its permissions (administrators change everybody's runs), so a key has it only
  // with all of them.
  for (const auto value : (*owner)->roles)
    if (who.permissions.includes(permissions_of({value})))
      who.roles.push_back(value);
  who.api_key = *id;
  who.key_budget = record.budget_per_day;
  who.tokens_per_minute = record.tokens_per_minute;
  return who;
}

bool api_key_directory::is_in_use(std::string_view key) const {
  const auto id = api_key_id(key);
  const auto it = id ? uses_.find(*id) : uses_.end();
  return it != uses_.end() && equal_in_constant_time(api_key_digest(key), it->second.digest);
}

bool api_key_directory::still_valid(const std::string& id) const {
  const auto found = load(id);
  // A store that cannot be read for a moment ends nobody's socket.
  if (!found)
    return true;
  if (!*found)
    return false;
  const auto owner = users_.find((*found)->record.owner);
  return !owner || !why_not((*found)->record, *owner);
}

std::optional<api_key_wait> api_key_directory::take_request(const principal& who) {
  const auto it = uses_.find(who.api_key);
  if (it == uses_.end())
    return std::nullopt;
  auto& used = it->second;
  const auto now = time_.steady();
  const auto for_requests = used.requests.wait(now);
  const auto for_tokens = used.tokens.wait(now);
  const auto longest = std::max(for_requests, for_tokens);
  if (longest <= std::chrono::nanoseconds{0}) {
    used.requests.take(1, now);
    return std::nullopt;
  }
  const auto what = for_requests >= for_tokens
                        ? "this API key may send " + std::to_string(used.requests.per_minute()) + " requests"
                        : "this API key may use " + std::to_string(used.tokens.per_minute()) + " tokens";
  return api_key_wait{what + " a minute", std::chrono::ceil<seconds>(longest)};
}

void api_key_directory::spend_tokens(const std::string& id, int64_t tokens) {
  if (const auto it = uses_.find(id); it != uses_.end())
    it->second.tokens.take(tokens, time_.steady());
}

// -- keys -----------------------------------------------------------------------------------------------

void api_key_directory::show_last_use(api_key_record& key) const {
  const auto it = uses_.find(key.id);
  if (it != uses_.end() && (!key.last_used_at || *key.last_used_at < it->second.last))
    key.last_used_at = it->second.last;
}

result<std::optional<api_key_record>> api_key_directory::find(const std::string& id) const {
  auto found = load(id);
  if (!found)
    return found.error();
  if (!*found)
    return std::optional<api_key_record>{};
  auto record = std::move((*found)->record);
  show_last_use(record);
  return std::optional<api_key_record>{std::move(record)};
}

awaitable<result<std::vector<api_key_record>>> api_key_directory::list(std::optional<user_id> owner) const {
  std::vector<api_key_record> out;
  std::optional<std::string> after;
  do {
    auto page = co_await documents_->list(api_keys_table, after, keys_page);
    if (!page)
      co_return page.error();
    for (const auto& [key, text] : page->documents) {
      auto record = api_key_from_text(text);
      if (!record)
        co_return record.error();
      if (owner && record->owner != *owner)
        continue;
      show_last_use(*record);
      out.push_back(std::move(*record));
    }
    after = page->next;
  } while (after && out.size() < most_keys_listed);
  std::stable_sort(out.begin(), out.end(), [](const api_key_record& a, const api_key_record& b) {
    return a.created_at < b.created_at;
  });
  co_return std::move(out);
}

awaitable<result<new_api_key>> api_key_directory::create(api_key_record wanted) {
  auto owner = users_.find(wanted.owner);
  if (!owner)
    co_return owner.error();
  if (!*owner)
    co_return unknown_user(wanted.owner);
  auto present = co_await list(wanted.owner);
  if (!present)
    co_return present.error();
  for (int tries = 1;; ++tries) {
    auto made = draw_api_key(**owner, wanted, present->size(), time_.wall());
    if (!made)
      co_return made.error();
    auto change = put_document(api_keys_table, made->record.id, to_text(made->record));
    change.only_if_absent = true;
    auto changes = only(std::move(change));
    auto written = co_await documents_->write(std::move(changes));
    if (written)
      co_return std::move(*made);
    // The id of another key: draw again.
    if (written.error().code != errc::conflict || tries == most_tries)
      co_return written.error();
  }
}

awaitable<result<api_key_record>> api_key_directory::change(std::string id, edit change) {
  for (int tries = 1;; ++tries) {
    auto found = load(id);
    if (!found)
      co_return found.error();
    if (!*found)
      co_return unknown_api_key(id);
    auto after = (*found)->record;
    auto changed = change(after);
    if (!changed)
      co_return changed.error();
    auto put = put_document(api_keys_table, id, to_text(after));
    put.only_if_equals = (*found)->text;
    auto changes = only(std::move(put));
    auto written = co_await documents_->write(std::move(changes));
    if (written) {
      if (after.disabled && !(*found)->record.disabled)
        ended(id);
      show_last_use(after);
      co_return std::move(after);
    }
    // Its last use was written meanwhile, or somebody else has changed it.
    if (written.error().code != errc::conflict || tries == most_tries)
      co_return written.error();
  }
}

awaitable<result<void>> api_key_directory::remove(std::string id) {
  auto found = load(id);
  if (!found)
    co_return found.error();
  if (!*found)
    co_return unknown_api_key(id);
  auto changes = only(erase_document(api_keys_table, id));
  auto written = co_await documents_->write(std::move(changes));
  if (written)
    forget(id);
  co_return written;
}

void api_key_directory::forget(const std::string& id) {
  uses_.erase(id);
  ended(id);
}

void api_key_directory::ended(const std::string& id) const {
  if (on_key_end)
    on_key_end(id);
}

awaitable<result<void>> api_key_directory::write_last_uses() {
  std::vector<std::string> ids;
  for (const auto& [id, used] : uses_)
    if (used.last > used.written)
      ids.push_back(id);
  for (const auto& id : ids) {
    auto found = load(id);
    if (!found)
      co_return found.error();
    const auto it = uses_.find(id);
    if (!*found || it == uses_.end())
      continue;
    const auto last = it->second.last;
    auto after = (*found)->record;
    after.last_used_at = last;
    auto put = put_document(api_keys_table, id, to_text(after));
    put.only_if_equals = (*found)->text;
    auto changes = only(std::move(put));
    auto written = co_await documents_->write(std::move(changes));
    // A key that was changed meanwhile is written in the next minute; one that was removed stays so.
    if (!written && written.error().code != errc::conflict)
      co_return written.error();
    if (const auto still = uses_.find(id); written && still != uses_.end())
      still->second.written = last;
  }
  co_return result<void>{};
}

} // namespace assay::server
