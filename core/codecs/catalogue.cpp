#include "core/codecs/catalogue.hpp"

#include "core/codecs/catalogue_data.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace assay::codecs {

namespace {

using nlohmann::json;

catalogue_entry read_entry(const json& row) {
  catalogue_entry entry;
  row.at("id").get_to(entry.id);
  row.at("provider").get_to(entry.provider.value);
  entry.name = row.value("name", entry.id);
  entry.version = row.value("version", "");
  entry.aliases = row.value("aliases", std::vector<std::string>{});
  entry.context_window = row.value("context_window", 0U);
  entry.max_output_tokens = row.value("max_output_tokens", 0U);
  entry.capabilities = row.value("capabilities", std::vector<std::string>{});
  entry.deprecated = row.value("deprecated", false);
  entry.verified = !row.value("unverified", false);
  entry.as_of = row.value("as_of", "");
  if (row.contains("input_per_mtok") && row.contains("output_per_mtok")) {
    token_prices prices;
    row["input_per_mtok"].get_to(prices.input_per_mtok);
    row["output_per_mtok"].get_to(prices.output_per_mtok);
    if (row.contains("cached_input_per_mtok"))
      prices.cached_input_per_mtok = row["cached_input_per_mtok"].get<double>();
    entry.prices = prices;
  }
  return entry;
}

bool all_digits(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

bool is_date(std::string_view text) {
  return text.size() == 10 && text[4] == '-' && text[7] == '-' && all_digits(text.substr(0, 4))
         && all_digits(text.substr(5, 2)) && all_digits(text.substr(8));
}

/// Takes a date or version off the end. @returns an empty text when there is none.
std::string_view without_version(std::string_view name) {
  if (name.size() > 11 && name[name.size() - 11] == '-' && is_date(name.substr(name.size() - 10)))
    return name.substr(0, name.size() - 11);
  const auto dash = name.rfind('-');
  if (dash == std::string_view::npos)
    return {};
  const auto tail = name.substr(dash + 1);
  const bool version = all_digits(tail) && (tail.size() == 8 || tail.size() == 4 || tail.size() == 3);
  return version || tail == "latest" ? name.substr(0, dash) : std::string_view{};
}

} // namespace

bool catalogue_entry::answers_with_text() const {
  return std::find(capabilities.begin(), capabilities.end(), "text_generation") != capabilities.end();
}

result<catalogue> catalogue::parse(std::string_view text) {
  catalogue loaded;
  const auto document = json::parse(text, nullptr, false);
  if (!document.is_object() || !document.contains("models") || !document["models"].is_array())
    return fault{errc::malformed_input, "the catalogue is not a JSON object with a list `models`",
                 "catalogue", ""};
  for (const auto& row : document["models"]) {
    const auto where = "models[" + std::to_string(loaded.entries_.size()) + "]";
    try {
      loaded.entries_.push_back(read_entry(row));
    } catch (const json::exception& error) {
      return fault{errc::malformed_input, error.what(), where, ""};
    }
    const auto& entry = loaded.entries_.back();
    auto names = entry.aliases;
    names.push_back(entry.id);
    for (auto& name : names)
      if (!loaded.by_name_.emplace(std::move(name), loaded.entries_.size() - 1).second)
        return fault{errc::malformed_input, "a name of " + entry.id + " is taken already", where, ""};
  }
  return loaded;
}

const catalogue_entry* catalogue::find(std::string_view name) const {
  const auto exact = [this](std::string_view key) -> const catalogue_entry* {
    const auto found = by_name_.find(key);
    return found == by_name_.end() ? nullptr : &entries_[found->second];
  };
  if (const auto* entry = exact(name))
    return entry;
  if (const auto slash = name.rfind('/'); slash != std::string_view::npos)
    return find(name.substr(slash + 1));
  const auto base = without_version(name);
  return base.empty() ? nullptr : exact(base);
}

namespace {

/// @returns whether @p provider takes for a model what the vendor itself takes.
bool sells_for(std::string_view provider, std::string_view vendor, std::string_view wire_model) {
  if (provider == vendor || provider == "mock")
    return true;
  if (provider == "azure_openai" || provider == "user_azure")
    return vendor == "openai";
  if (provider != "openrouter")
    return false;
  const auto word = wire_model.substr(0, wire_model.find('/'));
  if (word.size() == wire_model.size())
    return false;
  return (word == vendor && (vendor == "openai" || vendor == "anthropic"))
         || (word == "google" && vendor == "gemini");
}

} // namespace

std::optional<token_prices> prices_at(const catalogue& from, std::string_view provider,
                                      std::string_view wire_model) {
  if (wire_model.find("tunedModels/") != std::string_view::npos)
    return std::nullopt;
  const auto* entry = from.find(wire_model);
  if (entry == nullptr || !sells_for(provider, entry->provider.value, wire_model))
    return std::nullopt;
  return entry->prices;
}

const catalogue& shipped_catalogue() {
  static const catalogue shipped = catalogue::parse(catalogue_json()).value();
  return shipped;
}

} // namespace assay::codecs
