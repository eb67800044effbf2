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

namespace assay::cli {

namespace {

using nlohmann::json;

struct model_flags {
  std::string id;
  std::string model_args;
  std::string provider;
  bool all = false;
};

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

std::vector<model_profile> listed_models(const config::settings& settings, const model_flags& flags) {
  auto models = config::available_models(settings);
  std::set<std::string> known;
  for (const auto& model : models)
    known.insert(model.id.value);
  const auto answers_with_text = [](const codecs::catalogue_entry& entry) {
    return std::find(entry.capabilities.begin(), entry.capabilities.end(), "text_generation")
           != entry.capabilities.end();
  };
  if (flags.all)
    for (const auto& entry : codecs::shipped_catalogue().entries())
      if (answers_with_text(entry) && !known.contains(entry.id))
        if (auto resolved = config::resolve_model(settings, entry.provider.value, "model=" + entry.id);
            // A configured model has its own name for it.
            resolved && known.insert(resolved->model.id.value).second) {
          resolved->model.deprecated = resolved->model.deprecated || entry.deprecated;
          models.push_back(std::move(resolved->model));
        }
  if (!flags.provider.empty())
    std::erase_if(models, [&](const model_profile& model) { return model.provider.value != flags.provider; });
  return models;
}

exit_code list_models(command_context& context, const model_flags& flags) {
  const auto settings = load_settings_with_keys(context);
  if (!settings)
    return report(context, settings.error());
  const auto models = listed_models(*settings, flags);
  if (context.flags.json) {
    json out = json::array();
    for (const auto& model : models) {
      json one = model;
      one["readiness"] = readiness(*settings, model);
      out.push_back(std::move(one));
    }
    print(json{{"models", std::move(out)}}.dump(2) + "\n");
    return exit_code::ok;
  }
  table rows({{"model"},
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
           "\n`assay models --all` also lists what is known of models whose provider has no key yet; "
           "provider/name reaches any other model.");
  return exit_code::ok;
}

exit_code show_model(command_context& context, const model_flags& flags) {
  const auto settings = load_settings_with_keys(context);
  if (!settings)
    return report(context, settings.error());
  const auto resolved = config::resolve_model(*settings, flags.id, flags.model_args);
  if (!resolved)
    return report(context, resolved.error());
  const auto& model = resolved->model;
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

} // namespace

void add_models_command(CLI::App& app, command_context& context) {
  const auto flags = std::make_shared<model_flags>();
  auto* sub = app.add_subcommand("models", "List and show the models that can be evaluated");
  sub->require_subcommand(0, 1);
  sub->add_flag("-a,--all", flags->all, "Also what the catalogue knows of other providers");
  sub->add_option("-p,--provider", flags->provider, "Only this provider's");
  examples(*sub, "  assay models\n  assay models --all --provider openai\n  assay models show gpt-4o-mini\n");
  sub->callback([&context, flags] {
    if (!context.action)
      context.action = [flags](command_context& c) { return list_models(c, *flags); };
  });
  auto* list = sub->add_subcommand("list", "The models that can be asked now");
  list->add_flag("-a,--all", flags->all, "Also what the catalogue knows of other providers");
  list->add_option("-p,--provider", flags->provider, "Only this provider's");
  examples(*list, "  assay models list --json\n");
  list->callback(
      [&context, flags] { context.action = [flags](command_context& c) { return list_models(c, *flags); }; });
  auto* show = sub->add_subcommand("show", "Everything known of one model");
  show->add_option("ID", flags->id, "A model, or provider/name")->required();
  show->add_option("--model-args,--model_args", flags->model_args, "As for assay run");
  examples(*show, "  assay models show claude-3-haiku\n  assay models show openai/gpt-4o\n");
  show->callback(
      [&context, flags] { context.action = [flags](command_context& c) { return show_model(c, *flags); }; });
}

} // namespace assay::cli
