#include "cli/key_changes.hpp"

#include "cli/api_client.hpp"
#include "cli/load_settings.hpp"
#include "cli/server_address.hpp"
#include "cli/stored_keys.hpp"
#include "config/models.hpp"
#include "config/providers.hpp"
#include "core/values/closest_word.hpp"
#include "core/values/loopback.hpp"
#include "io/url.hpp"
#include "storage/folder_lock.hpp"
#include "storage/writer.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <filesystem>

namespace assay::cli {

namespace {

bool is_open_to_listeners(const std::string& origin) {
  const auto where = io::parse_base_url(origin);
  return where && where->scheme == io::url_scheme::http && !is_loopback_host(where->host);
}

} // namespace

result<const provider_profile*> find_named_provider(const config::settings& settings,
                                                    const std::string& word) {
  if (const auto* exact = config::find_provider(settings, provider_id{word}))
    return exact;
  if (const auto known = config::provider_of_word(word); !known.empty())
    if (const auto* meant = config::find_provider(settings, provider_id{std::string(known)}))
      return meant;
  std::vector<std::string_view> names;
  for (const auto& provider : settings.providers)
    names.push_back(provider.id.value);
  return fault{errc::not_found, "there is no provider " + word, "--provider", did_you_mean(word, names)};
}

result<storage::stored_key> key_of_provider(const config::settings& settings, const std::string& word) {
  const auto provider = find_named_provider(settings, word);
  if (!provider)
    return provider.error();
  const auto address = config::parse_endpoint((*provider)->base_url);
  if (!address)
    return fault{errc::invalid_argument,
                 "provider " + (*provider)->id.value + " has no address to bind the key to", "--provider",
                 "set providers." + (*provider)->id.value + ".base_url first"};
  storage::stored_key out;
  out.provider = (*provider)->id;
  out.origin = address->origin;
  out.created_at = wall_now();
  return out;
}

std::string free_key_name(const std::vector<storage::stored_key>& keys, const provider_id& provider,
                          const std::string& stem) {
  const auto taken = [&](const std::string& name) {
    return std::ranges::any_of(keys,
                               [&](const auto& key) { return key.provider == provider && key.name == name; });
  };
  size_t number = 1;
  while (taken(stem + "-" + std::to_string(number)))
    ++number;
  return stem + "-" + std::to_string(number);
}

result<changeable_store> open_for_change(const config::settings& settings) {
  auto own = storage::store::open(store_options_of(settings));
  if (own)
    return changeable_store{std::move(*own), false};
  if (own.error().code != errc::store_locked)
    return own.error();
  auto beside = storage::store::open_beside(settings.storage.data_dir);
  if (!beside)
    return beside.error();
  return changeable_store{std::move(*beside), true};
}

std::optional<fault> write_to(const changeable_store& store, storage::write_batch batch) {
  if (!store.of_a_farm)
    return write_and_wait(store.data, std::move(batch));
  const auto done = storage::write_once(store.data, std::move(batch));
  return done ? std::nullopt : std::optional{done.error()};
}

void say_how_to_take_up(const command_context& context, const config::settings& settings,
                        const changeable_store& store) {
  if (!store.of_a_farm)
    return;
  const std::filesystem::path folder(settings.storage.data_dir);
  const auto holder = storage::lock_holder(folder);
  if (!find_address(folder))
    return remark(context, "the run that uses this data folder goes on with the keys it has; the next start "
                           "takes up the change");
  remark(context, "the server on this data folder goes on with the keys it has; to have it take up the "
                  "change: "
                      + (holder ? "kill -HUP " + std::to_string(*holder) : std::string("send it SIGHUP"))
                      + ", or POST /api/v1/config");
}

result<storage::key_vault> open_or_create(const std::shared_ptr<storage::store>& store,
                                          storage::write_batch& batch) {
  const auto there = storage::has_vault(store);
  if (!there)
    return there.error();
  const auto password = master_password(!*there);
  if (!password)
    return password.error();
  if (*there)
    return storage::key_vault::open(store, *password);
  return storage::key_vault::create(*password, {}, batch);
}

nlohmann::json to_json_shape(const storage::stored_key& key) {
  return {{"provider", key.provider.value},
          {"name", key.name},
          {"host", key.origin},
          {"weight", key.weight},
          {"rate_limits",
           {{"requests_per_minute", key.limits.requests_per_minute},
            {"tokens_per_minute", key.limits.tokens_per_minute},
            {"requests_per_second", key.limits.requests_per_second},
            {"concurrent_requests", key.limits.concurrent_requests}}},
          {"prompt_types", key.prompt_types},
          {"created_at", to_rfc3339(key.created_at)},
          {"fingerprint", key.fingerprint}};
}

void warn_of_listeners(const command_context& context, const storage::stored_key& key) {
  if (is_open_to_listeners(key.origin))
    remark(context,
           "warning: " + key.origin + " is not encrypted; whoever listens on the way can read the key");
}

} // namespace assay::cli
