#include "cli/stored_keys.hpp"

#include "cli/api_client.hpp"
#include "cli/load_settings.hpp"
#include "cli/stored_models.hpp"
#include "config/environment.hpp"
#include "config/key_pools.hpp"
#include "storage/writer.hpp"

#include <cstdlib>
#include <fstream>
#include <functional>
#include <set>

namespace assay::cli {

namespace {

constexpr size_t longest_password = 4096;

std::string hint_for_password() {
  return "set " + std::string(config::master_password_variable) + ", or "
         + std::string(config::master_password_file_variable) + " to a file that holds it";
}

std::string variable(std::string_view name) {
  const char* value = std::getenv(std::string(name).c_str());
  return value == nullptr ? std::string{} : std::string(value);
}

result<secret> read_password_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string line;
  const auto wrong = [&](std::string message) {
    return fault{errc::invalid_argument, std::move(message), path,
                 std::string(config::master_password_file_variable) + " names it"};
  };
  if (!file)
    return wrong("the file with the master password cannot be read");
  std::getline(file, line);
  if (line.ends_with('\r'))
    line.pop_back();
  if (line.empty() || line.size() > longest_password)
    return wrong("the file's first line is no master password");
  return secret{std::move(line)};
}

result<secret> ask_for_password(const char* prompt) {
  auto typed = read_secret(prompt);
  if (!typed)
    return fault{errc::unauthenticated,
                 "there is no terminal to ask for the master password on",
                 {},
                 hint_for_password()};
  return typed;
}

std::string providers_of(const std::vector<storage::stored_key>& keys) {
  std::set<std::string> names;
  for (const auto& key : keys)
    names.insert(key.provider.value);
  std::string out;
  for (const auto& name : names)
    out += (out.empty() ? "" : ", ") + name;
  return out;
}

config::offered_key to_offer(storage::opened_key&& opened) {
  config::offered_key out;
  auto& about = opened.about;
  out.provider = about.provider;
  out.origin = std::move(about.origin);
  out.key.name = std::move(about.name);
  out.key.value = std::move(opened.value);
  out.key.fingerprint = std::move(about.fingerprint);
  out.key.weight = about.weight;
  out.key.limits = about.limits;
  out.key.prompt_types = std::move(about.prompt_types);
  return out;
}

} // namespace

result<std::optional<secret>> given_master_password() {
  if (auto text = variable(config::master_password_variable); !text.empty())
    return std::optional{secret{std::move(text)}};
  const auto file = variable(config::master_password_file_variable);
  if (file.empty())
    return std::optional<secret>{};
  auto read = read_password_file(file);
  if (!read)
    return read.error();
  return std::optional{std::move(*read)};
}

result<secret> master_password(bool fresh) {
  auto given = given_master_password();
  if (!given)
    return given.error();
  if (*given)
    return std::move(**given);
  auto typed = ask_for_password(fresh ? "new master password of the key store: "
                                      : "master password of the key store: ");
  if (!typed || !fresh)
    return typed;
  const auto again = ask_for_password("once more: ");
  if (!again || *again != *typed)
    return fault{errc::invalid_argument, "the two passwords differ", {}, "try again"};
  return typed;
}

result<std::vector<storage::stored_key>> stored_keys(const config::settings& settings) {
  const auto store = open_store_read_only(settings);
  if (store)
    return storage::list_keys(*store);
  if (store.error().code == errc::not_found)
    return std::vector<storage::stored_key>{};
  return store.error();
}

namespace {

using opened_store = std::function<result<std::shared_ptr<storage::store>>()>;

result<void> join_keys(config::settings& settings, const std::vector<storage::stored_key>& keys,
                       const opened_store& open, bool ask) {
  if (keys.empty())
    return {};
  auto password = given_master_password();
  if (!password)
    return password.error();
  if (!*password && ask) {
    auto typed = master_password(false);
    if (!typed)
      return typed.error();
    *password = std::move(*typed);
  }
  if (!*password) {
    settings.warnings.push_back("the " + std::to_string(keys.size()) + " stored keys of " + providers_of(keys)
                                + " are not used without the master password: " + hint_for_password());
    return {};
  }
  const auto store = open();
  if (!store)
    return store.error();
  const auto vault = storage::key_vault::open(*store, **password);
  if (!vault)
    return vault.error();
  auto opened = vault->open_all(*store);
  if (!opened)
    return opened.error();
  std::vector<config::offered_key> offers;
  offers.reserve(opened->size());
  for (auto& one : *opened)
    offers.push_back(to_offer(std::move(one)));
  config::add_offered_keys(settings, offers);
  return {};
}

} // namespace

result<void> join_stored_keys(config::settings& settings, bool ask) {
  const auto keys = stored_keys(settings);
  if (!keys) {
    // What is wrong with the folder is said by whoever needs the rest of it.
    settings.warnings.push_back("the stored keys cannot be read: " + to_string(keys.error()));
    return {};
  }
  return join_keys(
      settings, *keys, [&settings] { return open_store_read_only(settings); }, ask);
}

result<void> join_stored_keys(config::settings& settings, const std::shared_ptr<storage::store>& from) {
  const auto keys = storage::list_keys(from);
  if (!keys)
    return keys.error();
  return join_keys(
      settings, *keys, [&from]() -> result<std::shared_ptr<storage::store>> { return from; }, false);
}

result<config::settings> load_settings_with_keys(const command_context& context) {
  auto loaded = load_settings(context);
  if (!loaded)
    return loaded;
  if (auto joined = join_stored_keys(*loaded); !joined)
    return joined.error();
  join_stored_models(*loaded);
  return loaded;
}

std::optional<fault> write_and_wait(const std::shared_ptr<storage::store>& where,
                                    storage::write_batch batch) {
  std::optional<fault> failed;
  auto writer = storage::writer::start(where, {}, [&failed](storage::commit_report&& done) {
    for (const auto& ticket : done.tickets)
      if (ticket.error && !failed)
        failed = ticket.error;
  });
  if (!writer)
    return writer.error();
  const auto taken = (*writer)->submit(std::move(batch));
  // Reports before it stops.
  (*writer)->stop();
  if (!taken)
    return taken.error();
  return failed;
}

} // namespace assay::cli
