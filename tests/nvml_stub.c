/* Stands for NVIDIA's management library (libnvidia-ml.so.1) on a machine without a GPU. It answers what these
 * environment variables say, with the functions and structures of NVML's API reference:
 *
 *   SLIPWAY_STUB_DRIVER  the driver's version                             580.82.07
 *   SLIPWAY_STUB_CUDA    1000 x major + 10 x minor version of its CUDA    13000
 *   SLIPWAY_STUB_GPUS    how many GPUs there are                          1
 *   SLIPWAY_STUB_NAME    their name                                       Stub GPU
 *   SLIPWAY_STUB_USED    MiB of their 16 GiB of memory that are used      1024
 *   SLIPWAY_STUB_BUSY    their utilization in percent                     0
 *   SLIPWAY_STUB_ERROR   what nvmlInit_v2 returns                         0
 *   SLIPWAY_STUB_MEMORY  what nvmlDeviceGetMemoryInfo returns             0
 */
#include <stdio.h>
#include <stdlib.h>

enum { SUCCESS = 0, INVALID_ARGUMENT = 2 };

typedef int Result;
typedef struct { unsigned long long total, free, used; } Memory;
typedef struct { unsigned gpu, memory; } Utilization;

static const char *text(const char *name, const char *otherwise) {
	const char *value = getenv(name);
	return value ? value : otherwise;
}

static int number(const char *name, const char *otherwise) { return atoi(text(name, otherwise)); }

static Result copy(char *to, unsigned length, const char *from) {
	return snprintf(to, length, "%s", from) < (int)length ? SUCCESS : INVALID_ARGUMENT;
}

Result nvmlInit_v2(void) { return number("SLIPWAY_STUB_ERROR", "0"); }
Result nvmlInitWithFlags(unsigned flags) { return flags ? INVALID_ARGUMENT : nvmlInit_v2(); }
Result nvmlShutdown(void) { return SUCCESS; }

const char *nvmlErrorString(Result result) { return result ? "Unknown Error" : "Success"; }

Result nvmlSystemGetDriverVersion(char *version, unsigned length) {
	return copy(version, length, text("SLIPWAY_STUB_DRIVER", "580.82.07"));
}

Result nvmlSystemGetCudaDriverVersion_v2(int *version) {
	*version = number("SLIPWAY_STUB_CUDA", "13000");
	return SUCCESS;
}

Result nvmlDeviceGetCount_v2(unsigned *count) {
	*count = number("SLIPWAY_STUB_GPUS", "1");
	return SUCCESS;
}

Result nvmlDeviceGetHandleByIndex_v2(unsigned index, void **device) {
	static char gpus[64];
	if (index >= sizeof gpus)
		return INVALID_ARGUMENT;
	*device = &gpus[index];
	return SUCCESS;
}

Result nvmlDeviceGetName(void *device, char *name, unsigned length) {
	return device ? copy(name, length, text("SLIPWAY_STUB_NAME", "Stub GPU")) : INVALID_ARGUMENT;
}

Result nvmlDeviceGetHandleByUUID(const char *uuid, void **device) {
	return uuid ? nvmlDeviceGetHandleByIndex_v2(0, device) : INVALID_ARGUMENT;
}

Result nvmlDeviceGetMemoryInfo(void *device, Memory *memory) {
	if (!device)
		return INVALID_ARGUMENT;
	unsigned long long total = 16ULL << 30, used = (unsigned long long)number("SLIPWAY_STUB_USED", "1024") << 20;
	if (number("SLIPWAY_STUB_MEMORY", "0"))
		return number("SLIPWAY_STUB_MEMORY", "0");
	*memory = (Memory){.total = total, .free = total - used, .used = used};
	return SUCCESS;
}

Result nvmlDeviceGetUtilizationRates(void *device, Utilization *rates) {
	if (!device)
		return INVALID_ARGUMENT;
	*rates = (Utilization){.gpu = (unsigned)number("SLIPWAY_STUB_BUSY", "0"), .memory = 0};
	return SUCCESS;
}

Result nvmlDeviceGetPowerUsage(void *device, unsigned *milliwatts) {
	if (!device)
		return INVALID_ARGUMENT;
	*milliwatts = 70000;
	return SUCCESS;
}
