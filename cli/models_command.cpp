#include "cli/api_client.hpp"
#include "cli/arguments.hpp"
#include "cli/commands.hpp"
#include "cli/load_settings.hpp"
#include "cli/stored_keys.hpp"
#include "config/models.hpp"
#include "config/providers.hpp"
#include "core/codecs/catalogue.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>
#include <set>
#include <span>

namespace assay::cli {

namespace {

using nlohmann::json;

struct model_flags {
  std::string id;
  std::string model_args;
  std::string provider;
  std::string kind = "chat";
  bool all = false;
};

struct select_flags {
  std::string task_type;
  int64_t content_size = 0;
  std::string priority = "balanced";
  std::optional<uint64_t> max_tokens;
  std::vector<std::string> capabilities;
  std::optional<double> max_cost;
  std::optional<double> max_response_time;
  std::optional<double> min_quality;
  api_flags api;
};

/// A model of which nothing is known is taken for one that answers with text.
bool is_of_kind(const model_profile& model, const std::string& kind) {
  const auto words = documented_capabilities(model.capabilities);
  const auto has = [&](std::string_view word) { return std::ranges::find(words, word) != words.end(); };
  if (kind == "embeddings")
    return has("embeddings");
  return kind == "any" || !has("embeddings") || has("text_generation") || has("text");
}

std::string price(const std::optional<token_prices>& prices, bool input) {
  if (!prices)
    return "?";
  return "$" + show_number(input ? prices->input_per_mtok : prices->output_per_mtok, 2);
}

std::string tokens(uint32_t count) { return count == 0 ? "?" : show_count(count); }

/// @returns "ready", or in a few words why a call cannot succeed.
std::string readiness(const config::settings& settings, const model_profile& model) {
  const auto* provider = config::find_provider(settings, model.provider);
  if (provider == nullptr)
    return "no provider";
  const auto usable = config::check_usable(*provider);
  if (usable)
    return model.simulated ? "ready (simulated)" : "ready";
  return config::lacks_key(*provider) ? "needs " + config::key_variable(provider->id.value) : "no address";
}

bool has_key(const config::settings& settings, const provider_id& id) {
  const auto* provider = config::find_provider(settings, id);
  return provider != nullptr && !provider->key.empty();
}

std::vector<model_profile> listed_models(const config::settings& settings, const model_flags& flags) {
  auto models = config::available_models(settings);
  std::set<std::string> known;
  for (const auto& model : models)
    known.insert(model.id.value);
  const bool chats_only = flags.kind == "chat";
  for (const auto& entry : codecs::shipped_catalogue().entries()) {
    // Of those that answer with text, the ones that can be asked now are listed already.
    const bool wanted = flags.all
                        || (!chats_only && !entry.answers_with_text() && !entry.deprecated
                            && has_key(settings, entry.provider));
    if (!wanted || known.contains(entry.id))
      continue;
    auto resolved = config::resolve_model(settings, entry.provider.value, "model=" + entry.id);
    // A configured model has its own name for it.
    if (!resolved || !known.insert(resolved->model.id.value).second)
      continue;
    resolved->model.deprecated = resolved->model.deprecated || entry.deprecated;
    models.push_back(std::move(resolved->model));
  }
  std::erase_if(models, [&](const model_profile& model) { return !is_of_kind(model, flags.kind); });
  if (!flags.provider.empty())
    std::erase_if(models, [&](const model_profile& model) { return model.provider.value != flags.provider; });
  return models;
}

void add_kind(CLI::App& command, model_flags& flags) {
  command
      .add_option("-k,--kind", flags.kind,
                  "What they are asked for: chat (without the option), embeddings or any")
      ->check(CLI::IsMember({"chat", "embeddings", "any"}));
}

/// With the groups of tasks that each can do. Broken task files are no matter here.
void add_groups(const command_context& context, const config::settings& settings,
                std::span<model_profile> models) {
  std::vector<fault> unheard;
  const auto tasks = load_tasks(context, settings, {}, &unheard);
  for (auto& model : models)
    model.supported_tasks = tasks->groups_for(model);
}

exit_code list_models(command_context& context, const model_flags& flags) {
  const auto settings = load_settings_with_keys(context);
  if (!settings)
    return report(context, settings.error());
  auto models = listed_models(*settings, flags);
  if (context.flags.json) {
    add_groups(context, *settings, models);
    json out = json::array();
    for (const auto& model : models) {
      json one = model;
      one["readiness"] = readiness(*settings, model);
      out.push_back(std::move(one));
    }
    print(json{{"models", std::move(out)}}.dump(2) + "\n");
    return exit_code::ok;
  }
  table rows({{"model", align::left, squeeze::whole},
              {"provider"},
              {"context", align::right},
              {"$/M in", align::right},
              {"$/M out", align::right},
              {"state"}});
  for (const auto& model : models)
    rows.add({model.id.value, model.provider.value, tokens(model.context_window), price(model.prices, true),
              price(model.prices, false),
              readiness(*settings, model) + (model.deprecated ? ", deprecated" : "")});
  print(rows.render(context.out, context.out.columns));
  if (!flags.all)
    remark(context,
           "\n`assay models --all` also lists what is known of models whose provider has no key yet, "
           "`--kind embeddings` those that make vectors; provider/name reaches any other model.");
  return exit_code::ok;
}

exit_code show_model(command_context& context, const model_flags& flags) {
  const auto settings = load_settings_with_keys(context);
  if (!settings)
    return report(context, settings.error());
  auto resolved = config::resolve_model(*settings, flags.id, flags.model_args);
  if (!resolved)
    return report(context, resolved.error());
  auto& model = resolved->model;
  add_groups(context, *settings, {&model, 1});
  const auto usable = config::check_usable(resolved->provider);
  json out = model;
  out["base_url"] = resolved->provider.base_url;
  out["key"] = to_string(resolved->provider.key);
  out["defaults"] = model.defaults;
  out["usable"] = usable.has_value();
  if (!usable)
    out["problem"] = to_string(usable.error());
  if (context.flags.json) {
    print(out.dump(2) + "\n");
    return exit_code::ok;
  }
  table rows({{"", align::left}, {model.id.value}});
  for (const auto& [key, value] : out.items())
    if (!value.is_null() && key != "model_id" && key != "id")
      rows.add({key, value.is_string() ? value.get<std::string>() : value.dump()});
  print(rows.render(context.out));
  return exit_code::ok;
}

json wish_from(const select_flags& flags) {
  json out{{"content_size", flags.content_size}, {"priority", flags.priority}};
  if (!flags.task_type.empty())
    out["task_type"] = flags.task_type;
  if (flags.max_tokens)
    out["max_tokens"] = *flags.max_tokens;
  if (!flags.capabilities.empty())
    out["capabilities"] = flags.capabilities;
  if (flags.max_cost)
    out["max_cost"] = *flags.max_cost;
  if (flags.max_response_time)
    out["max_response_time"] = *flags.max_response_time;
  if (flags.min_quality)
    out["min_quality"] = *flags.min_quality;
  return out;
}

std::string joined(const json& words) {
  std::string out;
  if (words.is_array())
    for (const auto& word : words)
      if (word.is_string())
        out += (out.empty() ? "" : ", ") + on_one_line(word.get<std::string>());
  return out;
}

std::vector<std::string> choice_row(const json& one) {
  return {one.value("model", "-"), one.value("provider", "-"), show_number(one.value("score", 0.0), 3),
          joined(one.value("reasons", json::array()))};
}

/// The server knows what it has seen of each model.
exit_code select_model(command_context& context, const select_flags& flags) {
  const auto settings = load_settings(context);
  if (!settings)
    return report(context, settings.error());
  const auto api = api_client::connect(*settings, flags.api);
  if (!api)
    return report(context, api.error());
  const auto wish = wish_from(flags);
  json found;
  if (auto refused = api->ask("POST", "/llm_api/select", wish, found))
    return report(context, *refused);
  if (context.flags.json) {
    print(found.dump(2, ' ', false, json::error_handler_t::replace) + "\n");
    return exit_code::ok;
  }
  table rows({{"model"}, {"provider"}, {"score", align::right}, {"why"}});
  rows.add(choice_row(found));
  for (const auto& one : found.value("alternatives", json::array()))
    rows.add(choice_row(one));
  print(rows.render(context.out, context.out.columns));
  return exit_code::ok;
}

void add_select_command(CLI::App& models, command_context& context) {
  const auto flags = std::make_shared<select_flags>();
  auto* sub = models.add_subcommand("select", "Ask a server which model is the best for a purpose");
  sub->add_option("--task-type", flags->task_type, "What for: grading, code_completion, ...");
  sub->add_option("--content-size", flags->content_size, "Tokens of the prompt")
      ->check(CLI::Range(int64_t{0}, int64_t{100'000'000}));
  sub->add_option("--priority", flags->priority, "balanced, speed, quality or cost")
      ->check(CLI::IsMember({"balanced", "speed", "quality", "cost"}));
  sub->add_option("--max-tokens", flags->max_tokens, "Tokens of the answer")
      ->check(CLI::Range(1, 100'000'000));
  sub->add_option("--capability", flags->capabilities, "What it has to be able to, such as vision");
  sub->add_option("--max-cost", flags->max_cost, "Dollars of the call")->check(CLI::Range(0.0, 1e9));
  sub->add_option("--max-response-time", flags->max_response_time, "Seconds, on average");
  sub->add_option("--min-quality", flags->min_quality, "0 to 1")->check(CLI::Range(0.0, 1.0));
  add_api_flags(*sub, flags->api);
  examples(*sub, "  assay models select --task-type grading --content-size 1000\n"
                 "  assay models select --priority cost --capability vision --json\n");
  sub->callback([&context, flags] {
    context.action = [flags](command_context& c) { return select_model(c, *flags); };
  });
}

} // namespace

void add_models_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<model_flags>();
  auto* sub = app.add_subcommand("models", "List and show the models that can be evaluated");
  sub->require_subcommand(0, 1);
  sub->add_flag("-a,--all", flags->all, "Also what the catalogue knows of other providers");
  sub->add_option("-p,--provider", flags->provider, "Only this provider's");
  add_kind(*sub, *flags);
  examples(*sub, "  assay models\n  assay models --all --provider openai\n  assay models --kind embeddings\n "
                 " assay models show gpt-4o-mini\n");
  sub->callback([&context, flags] {
    if (!context.action)
      context.action = [flags](command_context& c) { return list_models(c, *flags); };
  });
  auto* list = sub->add_subcommand("list", "The models that can be asked now");
  list->add_flag("-a,--all", flags->all, "Also what the catalogue knows of other providers");
  list->add_option("-p,--provider", flags->provider, "Only this provider's");
  add_kind(*list, *flags);
  examples(*list, "  assay models list --json\n");
  list->callback(
      [&context, flags] { context.action = [flags](command_context& c) { return list_models(c, *flags); }; });
  add_select_command(*sub, context);
  auto* show = sub->add_subcommand("show", "Everything known of one model");
  show->add_option("ID", flags->id, "A model, or provider/name")->required();
  show->add_option("--model-args,--model_args", flags->model_args, "As for assay run");
  examples(*show, "  assay models show claude-3-haiku\n  assay models show openai/gpt-4o\n");
  show->callback(
      [&context, flags] { context.action = [flags](command_context& c) { return show_model(c, *flags); }; });
}

} // namespace assay::cli
