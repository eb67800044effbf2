#include "server/auth/api_keys.hpp"

#include "core/values/text.hpp"
#include "server/auth/passwords.hpp"

#include <nlohmann/json.hpp>
#include <sodium.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace assay::server {

namespace {

using json = nlohmann::json;

constexpr size_t id_length = 12;
constexpr size_t random_length = 40;
constexpr size_t check_length = 6;
constexpr size_t longest_name = 64;
constexpr double highest_limit = 1e9;
constexpr double highest_budget = 1e9; // Dollars; a few times more would not fit into money.
/// Without letters and digits that are taken for each other when a key is copied by hand.
constexpr std::string_view alphabet = "ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";

bool is_hex(char c) noexcept { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); }

bool is_key_character(char c) noexcept {
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' || c == '_';
}

/// BLAKE2b (RFC 7693), cut to 35 bits. It protects from mistakes, not from people.
std::string check_of(std::string_view text) {
  prepare_crypto();
  std::array<unsigned char, crypto_generichash_BYTES> hash{};
  crypto_generichash(hash.data(), hash.size(), reinterpret_cast<const unsigned char*>(text.data()),
                     text.size(), nullptr, 0);
  uint64_t number = 0;
  for (size_t i = 0; i < sizeof number; ++i)
    number = number << 8U | hash[i];
  std::string out;
  for (size_t i = 0; i < check_length; ++i, number /= alphabet.size())
    out += alphabet[number % alphabet.size()];
  return out;
}

fault wrong(std::string where, std::string message, std::string hint = {}) {
  return {errc::invalid_argument, std::move(message), std::move(where), std::move(hint)};
}

int64_t in_milliseconds(wall_time time) { return time.time_since_epoch().count(); }

json optional_time(const std::optional<wall_time>& time) {
  return time ? json(in_milliseconds(*time)) : json(nullptr);
}

std::optional<wall_time> time_at(const json& in, const char* key) {
  const auto& value = in.at(key);
  if (value.is_null())
    return std::nullopt;
  return wall_time{milliseconds{value.get<int64_t>()}};
}

json shown_time(const std::optional<wall_time>& time) {
  return time ? json(to_rfc3339(*time)) : json(nullptr);
}

json shown_limit(uint64_t limit) { return limit == 0 ? json(nullptr) : json(limit); }

std::string all_permission_names() {
  std::string out;
  for (const auto& name : permissions_of({role::admin}).names())
    out += (out.empty() ? "" : ", ") + name;
  return out;
}

// -- fields of requests -----------------------------------------------------------------------------------

result<std::string> name_from(const json& value) {
  const auto text = value.is_string() ? value.get<std::string>() : std::string{};
  const bool printable = std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f;
  });
  if (text.empty() || text.size() > longest_name || !printable || valid_utf8(text) != text)
    return wrong("name", "must be 1 to 64 bytes of printable text");
  // Whoever mixes the two up would have the key shown in every list.
  if (text.find(api_key_prefix) != std::string::npos)
    return wrong("name", "looks like a key", "choose a name that says where the key is used");
  return text;
}

result<std::optional<permission_set>> permissions_from(const json& value) {
  if (value.is_null())
    return std::optional<permission_set>{};
  if (!value.is_array() || value.empty())
    return wrong("permissions", "must name at least one permission, or be null for all that the user has");
  permission_set out;
  for (size_t i = 0; i < value.size(); ++i) {
    const auto known =
        value[i].is_string() ? permission_from_string(value[i].get_ref<const std::string&>()) : std::nullopt;
    if (!known)
      return wrong("permissions[" + std::to_string(i) + "]", "is no permission",
                   "permissions are " + all_permission_names());
    out = out | permission_set{*known};
  }
  return std::optional<permission_set>{out};
}

result<std::optional<wall_time>> expiry_from(const json& value, wall_time now) {
  if (value.is_null())
    return std::optional<wall_time>{};
  const auto time = value.is_string() ? from_rfc3339(value.get_ref<const std::string&>()) : std::nullopt;
  if (!time)
    return wrong("expires_at", "is no time", "write it like 2030-01-31T12:00:00Z");
  if (*time <= now)
    return wrong("expires_at", "is not in the future");
  return std::optional<wall_time>{time};
}

result<uint64_t> limit_from(const json& value, const char* field) {
  if (value.is_null())
    return uint64_t{0};
  const double number = value.is_number() ? value.get<double>() : 0;
  if (!(number >= 1 && number <= highest_limit && std::floor(number) == number))
    return wrong(field, "must be a whole number from 1 on, or null for no limit");
  return static_cast<uint64_t>(number);
}

result<std::optional<money>> budget_from(const json& value) {
  if (value.is_null())
    return std::optional<money>{};
  const double dollars = value.is_number() ? value.get<double>() : -1;
  if (!(dollars >= 0 && dollars <= highest_budget))
    return wrong("budget_per_day", "must be dollars, 0 or more, or null for no budget of its own");
  return std::optional<money>{from_dollars(dollars)};
}

} // namespace

// -- the text ---------------------------------------------------------------------------------------------

secret make_api_key(const std::string& id) {
  prepare_crypto();
  std::string text{api_key_prefix};
  // Room for all of it at once: what outgrew its place would leave parts of the secret behind.
  text.reserve(api_key_prefix.size() + id.size() + 1 + random_length + check_length);
  text += id;
  text += '-';
  for (size_t i = 0; i < random_length; ++i)
    text += alphabet[randombytes_uniform(static_cast<uint32_t>(alphabet.size()))];
  text += check_of(text);
  return secret{std::move(text)};
}

bool looks_like_api_key(std::string_view token) noexcept { return token.starts_with(api_key_prefix); }

std::optional<std::string> api_key_id(std::string_view key) {
  constexpr size_t id_end = api_key_prefix.size() + id_length;
  constexpr size_t whole = id_end + 1 + random_length + check_length;
  if (!looks_like_api_key(key) || key.size() != whole || key[id_end] != '-')
    return std::nullopt;
  const auto id = key.substr(api_key_prefix.size(), id_length);
  if (!std::all_of(id.begin(), id.end(), is_hex))
    return std::nullopt;
  if (key.substr(whole - check_length) != check_of(key.substr(0, whole - check_length)))
    return std::nullopt;
  return std::string(id);
}

std::string api_key_digest(std::string_view key) {
  // A slow hash protects what people choose, because guesses are few enough to try. Of 233 random bits nobody
  // tries all, so a plain hash keeps the key as well, and every call can afford it.
  return digest_hex(key);
}

std::string without_api_keys(std::string_view text) {
  std::string out;
  for (;;) {
    const auto at = text.find(api_key_prefix);
    if (at == std::string_view::npos)
      return out.append(text);
    out.append(text.substr(0, at + api_key_prefix.size()));
    text.remove_prefix(at + api_key_prefix.size());
    const auto end =
        static_cast<size_t>(std::find_if_not(text.begin(), text.end(), is_key_character) - text.begin());
    const auto digits = static_cast<size_t>(
        std::find_if_not(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(end), is_hex)
        - text.begin());
    const bool has_id = digits == id_length && (end == id_length || text[id_length] == '-');
    const size_t shown = has_id ? std::min(end, id_length + 1) : 0;
    out.append(text.substr(0, shown));
    if (end > shown)
      out.append("***");
    text.remove_prefix(end);
  }
}

// -- the record -------------------------------------------------------------------------------------------

std::string to_text(const api_key_record& key) {
  return json{{"id", key.id},
              {"name", key.name},
              {"owner", key.owner.value},
              {"owner_since_ms", in_milliseconds(key.owner_since)},
              {"digest", key.digest},
              {"permissions", key.permissions ? json(key.permissions->names()) : json(nullptr)},
              {"created_at_ms", in_milliseconds(key.created_at)},
              {"last_used_at_ms", optional_time(key.last_used_at)},
              {"expires_at_ms", optional_time(key.expires_at)},
              {"requests_per_minute", key.requests_per_minute},
              {"tokens_per_minute", key.tokens_per_minute},
              {"budget_per_day_nanodollars",
               key.budget_per_day ? json(key.budget_per_day->nanodollars) : json(nullptr)},
              {"disabled", key.disabled}}
      .dump();
}

result<api_key_record> api_key_from_text(std::string_view text) {
  try {
    const auto in = json::parse(text);
    api_key_record out;
    in.at("id").get_to(out.id);
    in.at("name").get_to(out.name);
    out.owner = user_id{in.at("owner").get<std::string>()};
    out.owner_since = time_at(in, "owner_since_ms").value_or(wall_time{});
    in.at("digest").get_to(out.digest);
    if (const auto& names = in.at("permissions"); !names.is_null()) {
      out.permissions.emplace();
      // A permission that this version does not know grants nothing.
      for (const auto& name : names)
        if (const auto known = permission_from_string(name.get_ref<const std::string&>()))
          out.permissions = *out.permissions | permission_set{*known};
    }
    out.created_at = time_at(in, "created_at_ms").value_or(wall_time{});
    out.last_used_at = time_at(in, "last_used_at_ms");
    out.expires_at = time_at(in, "expires_at_ms");
    in.at("requests_per_minute").get_to(out.requests_per_minute);
    in.at("tokens_per_minute").get_to(out.tokens_per_minute);
    if (const auto& budget = in.at("budget_per_day_nanodollars"); !budget.is_null())
      out.budget_per_day = money{budget.get<int64_t>()};
    in.at("disabled").get_to(out.disabled);
    return out;
  } catch (const json::exception&) {
    return fault{errc::store_unreadable, "a stored API key cannot be read", {}, "restore a backup"};
  }
}

json api_key_to_json(const api_key_record& key, wall_time now) {
  return {{"id", key.id},
          {"prefix", std::string(api_key_prefix) + key.id},
          {"name", key.name},
          {"user", key.owner.value},
          {"permissions", key.permissions ? json(key.permissions->names()) : json(nullptr)},
          {"created_at", to_rfc3339(key.created_at)},
          {"last_used_at", shown_time(key.last_used_at)},
          {"expires_at", shown_time(key.expires_at)},
          {"requests_per_minute", shown_limit(key.requests_per_minute)},
          {"tokens_per_minute", shown_limit(key.tokens_per_minute)},
          {"budget_per_day", key.budget_per_day ? json(to_dollars(*key.budget_per_day)) : json(nullptr)},
          {"disabled", key.disabled},
          {"expired", key.expires_at && *key.expires_at <= now}};
}

result<void> read_api_key_fields(const json& fields, wall_time now, api_key_record& key) {
  const auto take = [&](const char* field, auto read, auto& into) -> result<void> {
    const auto it = fields.find(field);
    if (it == fields.end())
      return {};
    auto value = read(*it);
    if (!value)
      return value.error();
    into = std::move(*value);
    return {};
  };
  auto done = take("name", name_from, key.name);
  if (done)
    done = take("permissions", permissions_from, key.permissions);
  if (done)
    done = take(
        "expires_at", [&](const json& value) { return expiry_from(value, now); }, key.expires_at);
  for (const auto& [field, into] : {std::pair{"requests_per_minute", &key.requests_per_minute},
                                    std::pair{"tokens_per_minute", &key.tokens_per_minute}})
    if (done)
      done = take(
          field, [name = field](const json& value) { return limit_from(value, name); }, *into);
  if (done)
    done = take("budget_per_day", budget_from, key.budget_per_day);
  if (const auto it = fields.find("disabled"); done && it != fields.end()) {
    if (!it->is_boolean())
      return wrong("disabled", "must be true or false");
    key.disabled = it->get<bool>();
  }
  return done;
}

result<new_api_key> draw_api_key(const user_record& owner, api_key_record wanted, size_t present,
                                 wall_time now) {
  if (owner.disabled)
    return fault{errc::conflict, "the user " + owner.id.value + " is disabled", "user", {}};
  if (present >= most_api_keys_of_a_user)
    return fault{errc::conflict,
                 "the user " + owner.id.value + " has " + std::to_string(present) + " keys already", "user",
                 "remove one that is no longer used"};
  if (wanted.permissions) {
    const auto beyond = wanted.permissions->without(permissions_of(owner.roles)).names();
    if (!beyond.empty())
      return wrong("permissions", "includes " + beyond.front() + ", which " + owner.id.value + " may not",
                   "a key may do at most what its user may");
  }
  new_api_key out;
  out.record = std::move(wanted);
  out.record.id = random_hex(id_length / 2);
  out.record.owner = owner.id;
  out.record.owner_since = owner.created_at;
  out.record.created_at = now;
  out.key = make_api_key(out.record.id);
  out.record.digest = api_key_digest(out.key.reveal());
  return out;
}

fault unknown_api_key(std::string_view id) {
  const char* hint =
      looks_like_api_key(id) ? "the id alone is meant: the part between sk-assay- and the next -" : "";
  return {errc::not_found, "there is no API key '" + without_api_keys(id) + "'", "id", hint};
}

} // namespace assay::server
