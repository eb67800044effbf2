#include "config/key_pools.hpp"
#include "core/values/key_fingerprint.hpp"
#include "tests/config/support.hpp"

#include <nlohmann/json.hpp>

namespace assay::config {
namespace {

class key_pools : public test::config_test {
protected:
  const provider_profile& provider(const settings& values, std::string_view id) {
    const auto* found = find_provider(values, provider_id(std::string(id)));
    EXPECT_NE(found, nullptr) << id;
    static const provider_profile none;
    return found == nullptr ? none : *found;
  }

  static std::vector<std::string> names(const provider_profile& provider) {
    std::vector<std::string> out;
    for (const auto& key : provider.keys)
      out.push_back(key.name);
    return out;
  }

  static std::vector<std::string> values_of(const provider_profile& provider) {
    std::vector<std::string> out;
    for (const auto& key : provider.keys)
      out.push_back(key.value.reveal());
    return out;
  }

  static offered_key stored(std::string provider, std::string origin, std::string name, std::string value) {
    offered_key out;
    out.provider = provider_id(std::move(provider));
    out.origin = std::move(origin);
    out.key.name = std::move(name);
    out.key.value = secret(std::move(value));
    out.key.fingerprint = "f";
    return out;
  }
};

using words = std::vector<std::string>;

TEST_F(key_pools, TakeKeysWithWeightsAndLimits) {
  file("local.yaml", "providers:\n"
                     "  openai:\n"
                     "    keys:\n"
                     "      - {name: lab, api_key: k1, weight: 3, rate_limits: {requests_per_minute: 500}, "
                     "prompt_types: [cot]}\n"
                     "      - {api_key: k2, qps: 0.5, workers: 5}\n"
                     "      - {api_key: k3, qps: 7}\n");
  const auto values = loaded();
  const auto& openai = provider(values, "openai");
  ASSERT_EQ(openai.keys.size(), 3U);
  EXPECT_EQ(names(openai), (words{"lab", "key-2", "key-3"}));
  EXPECT_EQ(openai.keys[0].weight, 3U);
  EXPECT_EQ(openai.keys[0].limits.requests_per_minute, 500U);
  EXPECT_EQ(openai.keys[0].prompt_types, words{"cot"});
  EXPECT_EQ(openai.keys[1].limits.requests_per_minute, 30U) << "half a request a second";
  EXPECT_EQ(openai.keys[1].limits.concurrent_requests, 5U);
  EXPECT_EQ(openai.keys[2].limits.requests_per_second, 7U);
  EXPECT_EQ(openai.keys[0].fingerprint, key_fingerprint(secret("k1")));
  EXPECT_EQ(openai.key.reveal(), "k1") << "whoever asks for the one key gets the first";
  EXPECT_TRUE(check_usable(openai));
}

TEST_F(key_pools, TakeAListOfKeysFromTheEnvironmentBesideTheOne) {
  request.environment = {{"OPENAI_API_KEY", "a"}, {"OPENAI_API_KEYS", "b, c,a,b"}, {"LAB_API_KEYS", "x,y"}};
  file("local.yaml", "providers:\n  lab: {base_url: 'http://lab:8000/v1'}\n");
  const auto values = loaded();
  EXPECT_EQ(values_of(provider(values, "openai")), (words{"a", "b", "c"})) << "the same key once";
  EXPECT_EQ(names(provider(values, "openai")), (words{"key-1", "key-2", "key-3"}));
  EXPECT_EQ(values_of(provider(values, "lab")), (words{"x", "y"}));
  EXPECT_FALSE(warns(values, "openai (OPENAI_API_KEY)"));
}

TEST_F(key_pools, LeaveAProviderWithOneKeyAsItWas) {
  request.environment = {{"OPENAI_API_KEYS", "only"}};
  const auto values = loaded();
  EXPECT_TRUE(provider(values, "openai").keys.empty());
  EXPECT_EQ(provider(values, "openai").key.reveal(), "only");
}

TEST_F(key_pools, LeaveOutKeysThatAreNotSetAndSaySo) {
  request.environment = {{"KEY_B", "b"}};
  file("local.yaml", "providers:\n  openai:\n    keys:\n      - {name: a, api_key: '${KEY_A}'}\n"
                     "      - {name: b, api_key: '${KEY_B}'}\n      - {name: c, api_key: b}\n");
  const auto values = loaded();
  EXPECT_EQ(names(provider(values, "openai")), words{"b"});
  EXPECT_TRUE(warns(values, "key `a` is not set"));
  EXPECT_TRUE(warns(values, "key `c` is another's value again"));
}

TEST_F(key_pools, NameFileLineAndKeyOfWhatIsWrong) {
  const auto unknown = refused("providers:\n  openai:\n    keys:\n      - api_key: k\n        wieght: 2\n");
  EXPECT_EQ(unknown.where, "config/local.yaml:5 providers.openai.keys[0].wieght");
  EXPECT_TRUE(has(unknown.hint, "weight"));
  EXPECT_EQ(refused("providers:\n  openai:\n    keys:\n      - api_key: k\n        weight: 0\n").where,
            "config/local.yaml:5 providers.openai.keys[0].weight");
  EXPECT_EQ(refused("providers:\n  openai:\n    keys:\n      - name: k\n").where,
            "config/local.yaml:4 providers.openai.keys[0]");
  EXPECT_EQ(refused("providers:\n  openai:\n    keys:\n      - {name: k, api_key: a}\n"
                    "      - {name: k, api_key: b}\n")
                .where,
            "config/local.yaml:5 providers.openai.keys[1].name");
  EXPECT_TRUE(has(refused("providers:\n  openai: {key_strategy: best}\n").message, "by_prompt_type"));
  EXPECT_TRUE(has(refused("providers:\n  openai: {preset: fast}\n").message, "ideallab"));
  EXPECT_EQ(refused("providers:\n  openai:\n    prompt_types: [a]\n").where,
            "config/local.yaml:3 providers.openai.prompt_types");
  EXPECT_EQ(refused("providers:\n  openai:\n    key_strategy: wide\n    keys:\n"
                    "      - api_key: k\n        prompt_types: [a]\n")
                .where,
            "config/local.yaml:6 providers.openai.keys[0].prompt_types");
}

TEST_F(key_pools, NeverRepeatAKeyThatWasWrittenInTheWrongPlace) {
  for (const auto* text :
       {"providers:\n  openai: {keys: sk-secret}\n", "providers:\n  openai: {keys: [sk-secret]}\n",
        "providers:\n  openai: {api_keys: sk-secret}\n", "providers:\n  openai: {api_keys: [[sk-secret]]}\n",
        "providers:\n  openai: {keys: [{api_key: [sk-secret]}]}\n"})
    EXPECT_FALSE(has(to_string(refused(text)), "sk-secret")) << text;
}

TEST_F(key_pools, AreShownByTheirFingerprints) {
  request.environment = {{"OPENAI_API_KEYS", "sk-one,sk-two"}};
  const auto shown = dump(loaded());
  EXPECT_EQ(shown["providers"]["openai"]["keys"].size(), 2U);
  EXPECT_EQ(shown["providers"]["openai"]["keys"][1]["fingerprint"], key_fingerprint(secret("sk-two")));
  EXPECT_FALSE(has(shown.dump(), "sk-one"));
  EXPECT_FALSE(has(shown.dump(), "sk-two"));
}

TEST_F(key_pools, GiveEachPromptTypeItsKey) {
  file("local.yaml", "providers:\n  lab:\n    base_url: http://lab/v1\n    key_strategy: by_prompt_type\n"
                     "    prompt_types: [short, long, strange, odd]\n"
                     "    api_keys: [a, b]\n    keys: [{name: own, api_key: c, prompt_types: [odd]}]\n");
  const auto values = loaded();
  const auto& lab = provider(values, "lab");
  ASSERT_EQ(lab.keys.size(), 3U);
  EXPECT_EQ(lab.keys[0].prompt_types, (words{"short", "strange"}));
  EXPECT_EQ(lab.keys[1].prompt_types, words{"long"});
  EXPECT_EQ(lab.keys[2].prompt_types, words{"odd"});
}

TEST_F(key_pools, OfIdeallabServeTheBatchesPromptTypesWithFiveWorkersEach) {
  request.environment = {{"IDEALLAB_API_KEYS", "a,b,c,d"},
                         {"IDEALLAB_BASE_URL", "https://ideallab.example/api"}};
  const auto values = loaded();
  const auto& lab = provider(values, "ideallab");
  ASSERT_EQ(lab.keys.size(), 4U);
  EXPECT_EQ(lab.keys[0].prompt_types, words{"baseline"});
  EXPECT_EQ(lab.keys[1].prompt_types, words{"cot"});
  EXPECT_EQ(lab.keys[2].prompt_types, words{"optimal"});
  EXPECT_EQ(lab.keys[3].prompt_types, words{"baseline"}) << "more keys than types share them";
  EXPECT_EQ(lab.workers_per_prompt_type, 5U);
  EXPECT_EQ(lab.limits.concurrent_requests, 5U);
}

TEST_F(key_pools, OfAzureServeAllPromptTypesWithFiftyWorkersEach) {
  request.environment = {{"AZURE_OPENAI_API_KEYS", "a,b"},
                         {"AZURE_OPENAI_ENDPOINT", "https://r.openai.azure.com"}};
  const auto values = loaded();
  const auto& azure = provider(values, "azure_openai");
  EXPECT_EQ(azure.workers_per_prompt_type, 50U);
  EXPECT_TRUE(azure.keys.at(0).prompt_types.empty());
  EXPECT_EQ(provider(values, "openai").workers_per_prompt_type, 0U);
}

TEST_F(key_pools, TakePresetsAndTheirNumbersApart) {
  file("local.yaml",
       "providers:\n  a: {base_url: 'http://a/v1', preset: ideallab, workers_per_prompt_type: 7, "
       "workers: 9, qps: 3, api_keys: [x, y]}\n"
       "  azure_openai: {key_strategy: automatic}\n");
  const auto values = loaded();
  EXPECT_EQ(provider(values, "a").workers_per_prompt_type, 7U);
  EXPECT_EQ(provider(values, "a").limits.concurrent_requests, 9U);
  EXPECT_EQ(provider(values, "a").limits.requests_per_second, 3U);
  EXPECT_EQ(provider(values, "a").keys.at(0).prompt_types, (words{"baseline", "optimal"}));
  EXPECT_EQ(provider(values, "azure_openai").workers_per_prompt_type, 0U) << "a strategy replaces the preset";
}

TEST_F(key_pools, ModelsOfBatchesFindTheirOtherHome) {
  request.environment = {
      {"AZURE_OPENAI_API_KEY", "a"}, {"AZURE_OPENAI_ENDPOINT", "https://r.openai.azure.com"},
      {"USER_AZURE_API_KEY", "u"},   {"USER_AZURE_ENDPOINT", "https://u.openai.azure.com"},
      {"IDEALLAB_API_KEY", "i"},     {"IDEALLAB_BASE_URL", "https://ideallab.example/api"}};
  auto values = loaded();
  EXPECT_EQ(resolve_model(values, "gpt-4o-mini")->provider.id.value, "azure_openai");
  EXPECT_EQ(resolve_model(values, "gpt-5-nano")->provider.id.value, "user_azure");
  EXPECT_EQ(resolve_model(values, "qwen2.5-3b-instruct")->provider.id.value, "ideallab");
  EXPECT_EQ(provider(values, "user_azure").base_url, "https://u.openai.azure.com/openai/v1");
  request.environment["OPENAI_API_KEY"] = "o";
  values = loaded();
  EXPECT_EQ(resolve_model(values, "gpt-4o-mini")->provider.id.value, "openai")
      << "its own provider comes first";
  EXPECT_EQ(resolve_model(values, "azure/gpt-4o-mini")->provider.id.value, "azure_openai");
}

// -- where keys go

TEST_F(key_pools, NeverGoToAnotherHostThanTheirProviders) {
  request.environment = {{"OPENAI_API_KEYS", "a,b"}};
  file("local.yaml", "models:\n  elsewhere: {model_type: openai_gpt, base_url: 'https://evil.example/v1'}\n"
                     "  same-host: {model_type: openai_gpt, base_url: 'https://api.openai.com/v2'}\n");
  const auto values = loaded();
  const auto* elsewhere = find_model(values, model_id("elsewhere"));
  const auto& other = provider(values, elsewhere->provider.value);
  EXPECT_TRUE(other.keys.empty());
  EXPECT_TRUE(other.key.empty());
  EXPECT_EQ(provider(values, find_model(values, model_id("same-host"))->provider.value).keys.size(), 2U);
  // What a caller of the API may send along.
  const auto asked = resolve_model(values, "openai", "model=gpt-4o,base_url=https://evil.example/v1");
  ASSERT_TRUE(asked);
  EXPECT_TRUE(asked->provider.key.empty());
  EXPECT_TRUE(asked->provider.keys.empty());
  // Another port or scheme is another place.
  for (const auto* url :
       {"http://api.openai.com/v1", "https://api.openai.com:8443/v1", "https://api.openai.com.evil/v1"})
    EXPECT_TRUE(
        resolve_model(values, "openai", std::string("model=gpt-4o,base_url=") + url)->provider.keys.empty())
        << url;
}

TEST_F(key_pools, OfTheEnvironmentGoWhereTheOperatorConfiguredTheProvider) {
  request.environment = {{"OPENAI_API_KEYS", "a,b"}, {"OPENAI_BASE_URL", "https://gateway.example/v1"}};
  const auto values = loaded();
  EXPECT_EQ(provider(values, "openai").keys.size(), 2U);
}

TEST_F(key_pools, AModelWithAKeyOfItsOwnUsesOnlyThat) {
  request.environment = {{"OPENAI_API_KEYS", "a,b"}};
  file("local.yaml", "models:\n  own: {model_type: openai_gpt, model: gpt-4o, api_key: c}\n"
                     "  pooled: {model_type: openai_gpt, model: gpt-4o, api_key: b}\n");
  const auto values = loaded();
  const auto& own = provider(values, find_model(values, model_id("own"))->provider.value);
  EXPECT_EQ(own.key.reveal(), "c");
  EXPECT_TRUE(own.keys.empty());
  EXPECT_EQ(find_model(values, model_id("pooled"))->provider.value, "openai") << "its key is one of the pool";
}

TEST_F(key_pools, StoredKeysJoinTheProvidersTheyAreBoundTo) {
  request.environment = {{"OPENAI_API_KEY", "a"}};
  file("local.yaml", "providers:\n  deepseek: {base_url: 'https://elsewhere.example'}\n");
  auto values = loaded();
  EXPECT_TRUE(warns(values, "anthropic (ANTHROPIC_API_KEY)"));
  add_offered_keys(values, {stored("openai", "https://api.openai.com", "lab", "b"),
                            stored("openai", "https://api.openai.com", "again", "a"),
                            stored("anthropic", "https://api.anthropic.com", "one", "c"),
                            stored("deepseek", "https://api.deepseek.com", "bound", "d"),
                            stored("gone", "https://gone.example", "old", "e")});
  EXPECT_EQ(values_of(provider(values, "openai")), (words{"a", "b"}));
  EXPECT_EQ(names(provider(values, "openai")), (words{"key-1", "lab"}));
  EXPECT_EQ(provider(values, "openai").keys[1].fingerprint, "f");
  EXPECT_EQ(provider(values, "anthropic").key.reveal(), "c");
  EXPECT_FALSE(warns(values, "anthropic (ANTHROPIC_API_KEY)"));
  EXPECT_TRUE(provider(values, "deepseek").key.empty()) << "its address was changed";
  EXPECT_TRUE(provider(values, "deepseek").keys.empty());
  EXPECT_TRUE(warns(values, "bound to https://api.deepseek.com and is not used"));
  EXPECT_TRUE(warns(values, "there is no provider gone"));
  EXPECT_TRUE(resolve_model(values, "openai", "model=gpt-4o,base_url=https://evil.example/v1")
                  ->provider.keys.empty());
}

TEST_F(key_pools, StoredKeysFollowTheProviderToModelsOfTheSameHostOnly) {
  request.environment = {{"OPENAI_API_KEY", "a"}};
  file("local.yaml", "models:\n  same: {model_type: openai_gpt, base_url: 'https://api.openai.com/v2'}\n"
                     "  other: {model_type: openai_gpt, base_url: 'https://evil.example/v1'}\n"
                     "  own: {model_type: openai_gpt, base_url: 'https://api.openai.com/v3', api_key: z}\n");
  auto values = loaded();
  add_offered_keys(values, {stored("openai", "https://api.openai.com", "lab", "b")});
  const auto keys_of = [&](const char* model) {
    return values_of(provider(values, find_model(values, model_id(model))->provider.value));
  };
  EXPECT_EQ(keys_of("same"), (words{"a", "b"}));
  EXPECT_TRUE(keys_of("other").empty());
  EXPECT_TRUE(keys_of("own").empty());
}

TEST_F(key_pools, StoredKeysTakeTheirTurnAmongThePromptTypes) {
  request.environment = {{"IDEALLAB_API_KEY", "a"}, {"IDEALLAB_BASE_URL", "https://ideallab.example/api"}};
  auto values = loaded();
  add_offered_keys(values, {stored("ideallab", "https://ideallab.example", "two", "b"),
                            stored("ideallab", "https://ideallab.example", "three", "c")});
  const auto& lab = provider(values, "ideallab");
  ASSERT_EQ(lab.keys.size(), 3U);
  EXPECT_EQ(lab.keys[0].prompt_types, words{"baseline"});
  EXPECT_EQ(lab.keys[1].prompt_types, words{"cot"});
  EXPECT_EQ(lab.keys[2].prompt_types, words{"optimal"});
}

TEST_F(key_pools, AStoredKeyGivesWayToAConfiguredOneOfItsName) {
  file("local.yaml", "providers:\n  openai: {keys: [{name: lab, api_key: a}]}\n");
  auto values = loaded();
  add_offered_keys(values, {stored("openai", "https://api.openai.com", "lab", "b")});
  EXPECT_EQ(values_of(provider(values, "openai")), words{"a"});
  EXPECT_TRUE(warns(values, "the configuration has a key of that name"));
}

TEST_F(key_pools, TheMasterPasswordIsNoSettingAndNotTakenFromDotenv) {
  request.environment = {{"ASSAY_MASTER_PASSWORD", "long enough"}};
  EXPECT_FALSE(warns(loaded(), "ASSAY_MASTER_PASSWORD"));
  request.environment.clear();
  folder.write(".env", "ASSAY_MASTER_PASSWORD=long enough\n");
  EXPECT_TRUE(warns(loaded(), "ASSAY_MASTER_PASSWORD in "));
}

TEST_F(key_pools, TheDocumentsExampleLoads) {
  std::ifstream document(test::fs::current_path() / "docs/configuration.md");
  const std::string text{std::istreambuf_iterator<char>(document), std::istreambuf_iterator<char>()};
  const auto begin = text.find("```yaml", text.find("## Several keys"));
  ASSERT_NE(begin, std::string::npos);
  file("local.yaml", std::string_view(text).substr(begin + 8, text.find("```", begin + 8) - begin - 8));
  request.environment = {{"OPENAI_KEY_1", "a"}, {"OPENAI_KEY_2", "b"}, {"LAB_API_KEYS", "x,y,z"}};
  const auto values = loaded();
  EXPECT_EQ(provider(values, "openai").keys.size(), 2U);
  EXPECT_EQ(provider(values, "lab").keys.at(1).prompt_types, words{"cot"});
}

TEST(key_fingerprints, TellKeysApartAndHoldNothingOfThem) {
  const auto one = key_fingerprint(secret("sk-proj-abcdefgh"));
  EXPECT_EQ(one.size(), 16U);
  EXPECT_EQ(one, key_fingerprint(secret("sk-proj-abcdefgh")));
  EXPECT_NE(one, key_fingerprint(secret("sk-proj-abcdefgi")));
  EXPECT_NE(one, key_fingerprint(secret("sk-proj-abcdefgh"), "another key of sixteen bytes or more"));
  EXPECT_EQ(key_fingerprint(secret()), "");
}

} // namespace
} // namespace assay::config
