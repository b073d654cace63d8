// The services that LiteLLM knows by the prefix of a model: which speak chat
// completions, where, and from which variables LiteLLM takes their keys.
// Endpoints and variables: https://docs.litellm.ai/docs/providers

package importer

import "parley/internal/provider"

// service is one that speaks chat completions.
type service struct {
	preset string   // whose endpoint it is, where parley knows the service itself
	base   string   // else the base URL without api_base; empty: there must be one
	keys   []string // variables of the key, where there is no api_key
}

// services are the prefixes of those that speak chat completions.
var services = map[string]service{
	// Known to parley too.
	"openai":     {preset: "openai"},
	"anthropic":  {preset: "anthropic"},
	"gemini":     {preset: "gemini", keys: []string{"GOOGLE_API_KEY"}},
	"xai":        {preset: "xai"},
	"openrouter": {preset: "openrouter"},
	"deepseek":   {preset: "deepseek"},
	"groq":       {preset: "groq"},
	"mistral":    {preset: "mistral"},
	"ollama":     {preset: "ollama"}, "ollama_chat": {preset: "ollama"},
	"lm_studio":  {preset: "lmstudio", keys: []string{"LM_STUDIO_API_KEY"}},
	"llamafile":  {preset: "llamacpp"},
	"azure":      {keys: []string{"AZURE_API_KEY"}},
	"azure_ai":   {keys: []string{"AZURE_AI_API_KEY"}},
	"cloudflare": {base: "https://api.cloudflare.com/client/v4/accounts/${CLOUDFLARE_ACCOUNT_ID}/ai/v1", keys: []string{"CLOUDFLARE_API_KEY", "CLOUDFLARE_API_TOKEN"}},

	// Hosted.
	"perplexity":        {base: "https://api.perplexity.ai", keys: []string{"PERPLEXITYAI_API_KEY", "PERPLEXITY_API_KEY"}},
	"nvidia_nim":        {base: "https://integrate.api.nvidia.com/v1", keys: []string{"NVIDIA_NIM_API_KEY"}},
	"together_ai":       {base: "https://api.together.xyz/v1", keys: []string{"TOGETHERAI_API_KEY", "TOGETHER_API_KEY", "TOGETHER_AI_API_KEY"}},
	"fireworks_ai":      {base: "https://api.fireworks.ai/inference/v1", keys: []string{"FIREWORKS_AI_API_KEY", "FIREWORKS_API_KEY"}},
	"github":            {base: "https://models.inference.ai.azure.com", keys: []string{"GITHUB_API_KEY"}},
	"deepinfra":         {base: "https://api.deepinfra.com/v1/openai", keys: []string{"DEEPINFRA_API_KEY"}},
	"anyscale":          {base: "https://api.endpoints.anyscale.com/v1", keys: []string{"ANYSCALE_API_KEY"}},
	"cerebras":          {base: "https://api.cerebras.ai/v1", keys: []string{"CEREBRAS_API_KEY"}},
	"sambanova":         {base: "https://api.sambanova.ai/v1", keys: []string{"SAMBANOVA_API_KEY"}},
	"ai21":              {base: "https://api.ai21.com/studio/v1", keys: []string{"AI21_API_KEY"}},
	"ai21_chat":         {base: "https://api.ai21.com/studio/v1", keys: []string{"AI21_API_KEY"}},
	"moonshot":          {base: "https://api.moonshot.ai/v1", keys: []string{"MOONSHOT_API_KEY"}},
	"dashscope":         {base: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1", keys: []string{"DASHSCOPE_API_KEY"}},
	"volcengine":        {base: "https://ark.cn-beijing.volces.com/api/v3", keys: []string{"VOLCENGINE_API_KEY"}},
	"codestral":         {base: "https://codestral.mistral.ai/v1", keys: []string{"CODESTRAL_API_KEY"}},
	"nebius":            {base: "https://api.studio.nebius.ai/v1", keys: []string{"NEBIUS_API_KEY"}},
	"novita":            {base: "https://api.novita.ai/v3/openai", keys: []string{"NOVITA_API_KEY"}},
	"hyperbolic":        {base: "https://api.hyperbolic.xyz/v1", keys: []string{"HYPERBOLIC_API_KEY"}},
	"lambda_ai":         {base: "https://api.lambda.ai/v1", keys: []string{"LAMBDA_API_KEY"}},
	"featherless_ai":    {base: "https://api.featherless.ai/v1", keys: []string{"FEATHERLESS_AI_API_KEY"}},
	"friendliai":        {base: "https://api.friendli.ai/serverless/v1", keys: []string{"FRIENDLIAI_API_KEY", "FRIENDLI_TOKEN"}},
	"galadriel":         {base: "https://api.galadriel.com/v1", keys: []string{"GALADRIEL_API_KEY"}},
	"empower":           {base: "https://app.empower.dev/api/v1", keys: []string{"EMPOWER_API_KEY"}},
	"meta_llama":        {base: "https://api.llama.com/compat/v1", keys: []string{"LLAMA_API_KEY"}},
	"nscale":            {base: "https://inference.api.nscale.com/v1", keys: []string{"NSCALE_API_KEY"}},
	"vercel_ai_gateway": {base: "https://ai-gateway.vercel.sh/v1", keys: []string{"VERCEL_AI_GATEWAY_API_KEY"}},
	"zai":               {base: "https://api.z.ai/api/paas/v4", keys: []string{"ZAI_API_KEY"}},

	// Where the operator says.
	"custom_openai": {}, "openai_like": {}, "aiohttp_openai": {}, "hosted_vllm": {keys: []string{"HOSTED_VLLM_API_KEY"}},
	"litellm_proxy": {keys: []string{"LITELLM_PROXY_API_KEY"}}, "xinference": {}, "docker_model_runner": {},
	"databricks": {keys: []string{"DATABRICKS_API_KEY"}}, "huggingface": {keys: []string{"HUGGINGFACE_API_KEY", "HF_TOKEN"}},
}

// bases are the variables LiteLLM takes a base URL from, where there is no
// api_base and the service has none of its own.
var bases = map[string]string{
	"azure": "AZURE_API_BASE", "azure_ai": "AZURE_AI_API_BASE", "hosted_vllm": "HOSTED_VLLM_API_BASE", "litellm_proxy": "LITELLM_PROXY_API_BASE",
	"databricks": "DATABRICKS_API_BASE", "ollama": "OLLAMA_API_BASE", "ollama_chat": "OLLAMA_API_BASE", "lm_studio": "LM_STUDIO_API_BASE",
}

// translated are the prefixes for which LiteLLM speaks another format.
var translated = map[string]bool{
	"bedrock": true, "bedrock_converse": true, "vertex_ai": true, "vertex_ai_beta": true, "sagemaker": true, "sagemaker_chat": true, "cohere": true,
	"cohere_chat": true, "replicate": true, "watsonx": true, "watsonx_text": true, "palm": true, "petals": true, "nlp_cloud": true, "aleph_alpha": true,
	"predibase": true, "triton": true, "oobabooga": true, "snowflake": true, "oci": true, "vllm": true, "anthropic_text": true, "azure_text": true,
	"text-completion-openai": true, "text-completion-codestral": true, "clarifai": true, "bytez": true, "github_copilot": true, "chatgpt": true,
	"gigachat": true, "voyage": true, "jina_ai": true, "infinity": true, "recraft": true, "deepgram": true, "elevenlabs": true, "assemblyai": true,
	"stability": true, "fal_ai": true, "runwayml": true, "custom": true,
}

// keyNames are the variables of a service's key.
func (s service) keyNames() []string {
	if p, ok := provider.PresetNamed(s.preset); ok && p.Key != "" {
		return append([]string{p.Key}, s.keys...)
	}
	return s.keys
}

// endpoint is where the service is asked without api_base; empty: nowhere.
func (s service) endpoint() string {
	if p, ok := provider.PresetNamed(s.preset); ok {
		return p.Endpoint
	}
	if s.base == "" {
		return ""
	}
	return s.base + "/chat/completions"
}
