#include "cli/api_client.hpp"
#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/import_keys.hpp"
#include "cli/key_changes.hpp"
#include "cli/key_probe.hpp"
#include "cli/load_settings.hpp"
#include "cli/stored_keys.hpp"
#include "config/key_pools.hpp"
#include "config/models.hpp"
#include "config/providers.hpp"

#include <nlohmann/json.hpp>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <memory>

namespace assay::cli {

namespace {

using nlohmann::json;

constexpr size_t longest_input = size_t{64} << 10;

struct key_flags {
  std::string provider;
  std::string name;
  std::vector<std::string> misplaced; ///< Words where somebody may have written the key itself.
  uint32_t weight = 1;
  rate_limits limits;
  double qps = 0;
  std::vector<std::string> prompt_types;
};

/// @returns the id that stored keys of that provider carry; what is unknown stays as it is.
std::string provider_word(const config::settings& settings, const std::string& word) {
  const auto found = find_named_provider(settings, word);
  return found ? (*found)->id.value : word;
}

// -- add
// ------------------------------------------------------------------------------------------------------------

/// From a pipe, or typed without being shown; never from the command line, which others can read.
result<secret> read_key(const std::string& provider) {
  if (::isatty(STDIN_FILENO) != 0)
    return read_secret("key of " + provider + " (it is not shown): ");
  std::string text;
  std::array<char, 4096> part{};
  ssize_t count = 0;
  while (text.size() <= longest_input && (count = ::read(STDIN_FILENO, part.data(), part.size())) > 0)
    text.append(part.data(), static_cast<size_t>(count));
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r' || text.back() == ' '))
    text.pop_back();
  if (text.empty())
    return fault{errc::invalid_argument, "no key came in", "standard input",
                 "pipe it in, as in `assay keys add --provider openai < key.txt`, or run it on a terminal"};
  return secret{std::move(text)};
}

std::string text_of(const json& shown) {
  return shown.dump(2, ' ', false, json::error_handler_t::replace) + "\n";
}

result<storage::stored_key> describe_key(const config::settings& settings, const key_flags& flags) {
  auto bound = key_of_provider(settings, flags.provider);
  if (!bound)
    return bound.error();
  auto out = std::move(*bound);
  out.name = flags.name;
  out.weight = flags.weight;
  out.limits = flags.limits;
  if (flags.qps > 0)
    config::apply_qps(flags.qps, out.limits);
  out.prompt_types = flags.prompt_types;
  return out;
}

exit_code add_key(command_context& context, const key_flags& flags) {
  if (!flags.misplaced.empty())
    return report(context, {errc::invalid_argument,
                            "a key is never given on the command line",
                            {},
                            "others can read it there, and it may be in your shell's history now: replace it "
                            "at the provider, then pipe the new one in"});
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  auto about = describe_key(*settings, flags);
  if (!about)
    return report(context, about.error());
  const auto key = read_key(about->provider.value);
  if (!key)
    return report(context, key.error());
  const auto store = open_for_change(*settings);
  if (!store)
    return report(context, store.error());
  const auto known = storage::list_keys(store->data);
  if (!known)
    return report(context, known.error());
  if (about->name.empty())
    about->name = free_key_name(*known, about->provider, "stored");
  for (const auto& one : *known)
    if (one.provider == about->provider && one.name == about->name)
      return report(context,
                    {errc::conflict, "provider " + one.provider.value + " has a key " + one.name + " already",
                     "--name", "choose another name, or remove that one: assay keys remove"});
  storage::write_batch batch;
  const auto vault = open_or_create(store->data, batch);
  if (!vault)
    return report(context, vault.error());
  if (auto added = vault->add(*about, *key, batch); !added)
    return report(context, added.error());
  if (auto refused = write_to(*store, std::move(batch)))
    return report(context, *refused);
  warn_of_listeners(context, *about);
  if (context.flags.json)
    print(text_of(to_json_shape(*about)));
  else
    print("stored key " + about->name + " of " + about->provider.value + ", fingerprint " + about->fingerprint
          + "\nIt is only ever sent to " + about->origin + "\n");
  say_how_to_take_up(context, *settings, *store);
  return exit_code::ok;
}

// -- list
// ------------------------------------------------------------------------------------------------------------

std::string show_limits(const rate_limits& limits) {
  std::string out;
  const auto add = [&out](uint32_t value, const char* unit) {
    if (value > 0)
      out += (out.empty() ? "" : ", ") + show_count(value) + " " + unit;
  };
  add(limits.requests_per_second, "requests/s");
  add(limits.requests_per_minute, "requests/min");
  add(limits.tokens_per_minute, "tokens/min");
  add(limits.concurrent_requests, "at a time");
  return out.empty() ? "-" : out;
}

std::string joined(const std::vector<std::string>& words) {
  std::string out;
  for (const auto& word : words)
    out += (out.empty() ? "" : ", ") + on_one_line(word);
  return out.empty() ? "all" : out;
}

exit_code list_keys(command_context& context, const key_flags& flags) {
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  auto keys = stored_keys(*settings);
  if (!keys)
    return report(context, keys.error());
  if (!flags.provider.empty()) {
    const auto wanted = provider_word(*settings, flags.provider);
    std::erase_if(*keys, [&](const auto& key) { return key.provider.value != wanted; });
  }
  if (context.flags.json) {
    auto list = json::array();
    for (const auto& key : *keys)
      list.push_back(to_json_shape(key));
    print(text_of(json{{"keys", std::move(list)}}));
    return exit_code::ok;
  }
  if (keys->empty()) {
    remark(context, "no key is stored; `assay keys add --provider openai` stores one");
    return exit_code::ok;
  }
  table rows({{"provider"},
              {"name"},
              {"host"},
              {"weight", align::right},
              {"limits"},
              {"prompt types"},
              {"created"},
              {"fingerprint"}});
  for (const auto& key : *keys)
    rows.add({key.provider.value, key.name, key.origin, std::to_string(key.weight), show_limits(key.limits),
              joined(key.prompt_types), show_time(key.created_at), key.fingerprint});
  print(rows.render(context.out));
  return exit_code::ok;
}

// -- remove
// ------------------------------------------------------------------------------------------------------------

/// @returns the one key of that name; a fault when there is none or when providers share the name.
result<storage::stored_key> find_one(const config::settings& settings,
                                     const std::vector<storage::stored_key>& keys, const key_flags& flags) {
  const auto wanted = flags.provider.empty() ? std::string{} : provider_word(settings, flags.provider);
  const storage::stored_key* found = nullptr;
  for (const auto& key : keys) {
    if (key.name != flags.name || (!wanted.empty() && key.provider.value != wanted))
      continue;
    if (found != nullptr)
      return fault{errc::invalid_argument, "several providers have a key " + flags.name, "NAME",
                   "say which with --provider " + found->provider.value + " or --provider "
                       + key.provider.value};
    found = &key;
  }
  if (found == nullptr)
    return fault{errc::not_found, "no stored key is called " + flags.name, "NAME",
                 "`assay keys list` lists them"};
  return *found;
}

exit_code remove_key(command_context& context, const key_flags& flags) {
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  // Looks first, so that a wrong name makes no data folder.
  const auto before = stored_keys(*settings);
  if (!before)
    return report(context, before.error());
  const auto one = find_one(*settings, *before, flags);
  if (!one)
    return report(context, one.error());
  const auto store = open_for_change(*settings);
  if (!store)
    return report(context, store.error());
  const auto present = storage::list_keys(store->data);
  if (!present)
    return report(context, present.error());
  storage::write_batch batch;
  // With the last key goes the password, so that the next key can set another.
  if (present->size() == 1 && present->front() == *one)
    storage::remove_vault(batch);
  storage::remove_key(one->provider, one->name, batch);
  if (auto refused = write_to(*store, std::move(batch)))
    return report(context, *refused);
  remark(context, "removed key " + one->name + " of " + one->provider.value
                      + "; copies in backups stay, so revoke it at the provider if it has leaked");
  say_how_to_take_up(context, *settings, *store);
  return exit_code::ok;
}

// -- test
// ------------------------------------------------------------------------------------------------------------

struct tested_key {
  const provider_profile* provider;
  provider_key key;
};

/// Every key that the farm would use, narrowed to what the flags name.
result<std::vector<tested_key>> keys_to_test(const config::settings& settings, const key_flags& flags) {
  const provider_profile* only = nullptr;
  if (!flags.provider.empty()) {
    const auto named = find_named_provider(settings, flags.provider);
    if (!named)
      return named.error();
    only = *named;
  }
  std::vector<tested_key> out;
  for (const auto& provider : settings.providers) {
    if (only != nullptr && only != &provider)
      continue;
    auto keys = provider.keys;
    if (keys.empty() && !provider.key.empty()) {
      keys.emplace_back();
      keys.back().value = provider.key;
    }
    for (auto& key : keys)
      if (flags.name.empty() || key.name == flags.name)
        out.push_back({&provider, std::move(key)});
  }
  if (out.empty())
    return fault{
        errc::not_found,
        "there is no such key to test",
        {},
        "`assay keys list` lists the stored ones; others come from variables and configuration files"};
  return out;
}

exit_code test_keys(command_context& context, const key_flags& flags) {
  auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  const auto before = settings->warnings;
  if (auto joined_keys = join_stored_keys(*settings, true); !joined_keys)
    return report(context, joined_keys.error());
  for (const auto& warning : settings->warnings)
    if (!is_about_missing_keys(warning) && std::ranges::find(before, warning) == before.end())
      remark(context, "warning: " + warning);
  const auto keys = keys_to_test(*settings, flags);
  if (!keys)
    return report(context, keys.error());
  bool all_good = true;
  auto list = json::array();
  table rows({{"provider", align::left, squeeze::whole},
              {"key", align::left, squeeze::whole},
              {"host"},
              {"state"},
              {"what the answer means"}});
  for (const auto& one : *keys) {
    const auto verdict = try_key(*settings, *one.provider, one.key.value);
    all_good = all_good && verdict.standing == key_standing::good;
    const auto address = config::parse_endpoint(one.provider->base_url);
    const auto host = address ? address->origin : std::string{};
    const auto name = one.key.name.empty() ? std::string("configured") : one.key.name;
    const std::string state(to_string(verdict.standing));
    rows.add({one.provider->id.value, name, host, state, verdict.text});
    list.push_back({{"provider", one.provider->id.value},
                    {"name", name},
                    {"fingerprint", one.key.fingerprint},
                    {"host", host},
                    {"state", state},
                    {"meaning", verdict.text}});
  }
  print(context.flags.json ? text_of(json{{"keys", std::move(list)}}) : rows.render(context.out));
  return all_good ? exit_code::ok : exit_code::provider;
}

// -- the command line
// ------------------------------------------------------------------------------------------------------------

using key_action = exit_code (*)(command_context&, const key_flags&);

CLI::App* declare(CLI::App& parent, command_context& context, const std::shared_ptr<key_flags>& flags,
                  const char* name, const char* text, const char* lines, key_action action) {
  auto* sub = parent.add_subcommand(name, text);
  sub->add_option("-p,--provider", flags->provider, "openai, anthropic, ... or one of your configuration");
  examples(*sub, lines);
  sub->callback([&context, flags, action] {
    context.action = [flags, action](command_context& c) { return action(c, *flags); };
  });
  return sub;
}

void declare_add(CLI::App& parent, command_context& context, const std::shared_ptr<key_flags>& flags) {
  auto* add = declare(parent, context, flags, "add",
                      "Store a key, encrypted; it is read from standard input or asked for",
                      "  assay keys add --provider openai\n"
                      "  assay keys add --provider openai --name lab-1 --rpm 500 --tpm 200000 < key.txt\n"
                      "  pass show deepseek | assay keys add --provider deepseek --weight 2\n\n"
                      "The master password is that of ASSAY_MASTER_PASSWORD, of the file named by\n"
                      "ASSAY_MASTER_PASSWORD_FILE, or asked for; the first key sets it.\n",
                      add_key);
  add->get_option("--provider")->required();
  add->add_option("--name", flags->name, "How lists and logs call it; default stored-1, stored-2, ...");
  add->add_option("--weight", flags->weight, "Its share against the provider's other keys; default 1")
      ->check(CLI::Range(1, 1000));
  add->add_option("--rpm", flags->limits.requests_per_minute, "Requests per minute of one model");
  add->add_option("--tpm", flags->limits.tokens_per_minute, "Tokens per minute of one model");
  add->add_option("--qps", flags->qps, "Requests per second of one model")->check(CLI::Range(0.001, 1e6));
  add->add_option("--workers", flags->limits.concurrent_requests, "Calls in flight of one model");
  repeatable(*add, "--prompt-type,--prompt_type", flags->prompt_types,
             "Serves only calls of this prompt type");
  // Caught here, so that no message repeats it.
  add->add_option("KEY", flags->misplaced, "")->group("")->expected(0, -1);
}

void declare_import(CLI::App& parent, command_context& context) {
  const auto wish = std::make_shared<datapresso_import>();
  auto* sub =
      parent.add_subcommand("import-datapresso", "Store the keys that Datapresso has kept, encrypted anew");
  sub->add_option("PATH", wish->path,
                  "A file NAME.encrypted with NAME.salt beside it, or a folder of them; default "
                  "~/.datapresso/api_keys");
  sub->add_option("-p,--provider", wish->provider,
                  "Whose key it is, for one file; by default the file's name says so");
  examples(*sub,
           "  assay keys import-datapresso\n"
           "  assay keys import-datapresso ~/.datapresso/api_keys/openai.encrypted\n"
           "  assay keys import-datapresso old/work.encrypted --provider openai\n\n"
           "The password of the old files is that of ASSAY_DATAPRESSO_PASSWORD, or asked for. Of several\n"
           "files all are stored or none; a key that is stored already is left out.\n");
  sub->callback([&context, wish] {
    context.action = [wish](command_context& c) { return import_datapresso_keys(c, *wish); };
  });
}

} // namespace

void add_keys_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<key_flags>();
  auto* sub = app.add_subcommand("keys", "Store provider keys in the data folder, encrypted, and test them");
  sub->require_subcommand(0, 1);
  examples(*sub,
           "  assay keys add --provider openai\n  assay keys\n  assay keys test --provider openai\n"
           "  assay keys remove stored-1\n\n"
           "`assay serve` and `assay run` use stored keys when ASSAY_MASTER_PASSWORD is set. A server that\n"
           "runs takes up a change when it reads its configuration again: on SIGHUP, or POST\n"
           "/api/v1/config.\n");
  sub->callback([&context, flags] {
    if (!context.action)
      context.action = [flags](command_context& c) { return list_keys(c, *flags); };
  });
  declare_add(*sub, context, flags);
  declare_import(*sub, context);
  declare(*sub, context, flags, "list", "What is stored: names, hosts and fingerprints, never the keys",
          "  assay keys list\n  assay keys list --provider openai --json\n", list_keys);
  declare(*sub, context, flags, "remove", "Remove a stored key",
          "  assay keys remove lab-1\n  assay keys remove stored-1 --provider openai\n", remove_key)
      ->add_option("NAME", flags->name, "The key's name")
      ->required();
  declare(*sub, context, flags, "test",
          "Ask providers whether they take the keys, stored or configured; costs nothing",
          "  assay keys test\n  assay keys test lab-1 --provider openai\n", test_keys)
      ->add_option("NAME", flags->name, "Only this key");
}

} // namespace assay::cli
