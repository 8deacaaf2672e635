export { callApi, faultOfStatus, type ApiAnswer, type ApiCall } from './call-api.ts';
